import { describe, expect, test } from 'vitest';
import {
  DropCounters,
  DropReason,
  describeFrame,
  describeSegment,
  dropReasonName,
  flagNames,
  TcpFlag,
  TcpHeader,
} from '../../src/wire/index.ts';
import { CAPTURED, fromHex } from './captured-frames.ts';

describe('describeFrame', () => {
  test.each([
    ['arpRequest', 'ARP, Request who-has 10.0.0.2 tell 10.0.0.1'],
    ['arpReply', 'ARP, Reply 10.0.0.2 is-at 02:00:00:00:00:0b'],
    [
      'syn',
      '10.0.0.1.56580 > 10.0.0.2.8080: Flags [S], seq 30240065, win 64240, options [mss 1460,sackOK,TS val 3485355314 ecr 0,wscale 10], length 0',
    ],
    [
      'request',
      '10.0.0.1.56580 > 10.0.0.2.8080: Flags [P.], seq 30240066:30240084, ack 3148802852, win 63, options [TS val 3485355314 ecr 595474888], length 18',
    ],
    ['reset', '10.0.0.2.81 > 10.0.0.1.55850: Flags [R.], seq 0, ack 3004785091, win 0, length 0'],
    ['udp', '10.0.0.1 > 10.0.0.2: ip-proto-17, length 13'],
    ['portUnreachable', '10.0.0.2 > 10.0.0.1: ICMP unreachable code 3, about 10.0.0.1 > 10.0.0.2: ip-proto-17'],
  ] as const)('%s', (name, text) => {
    expect(describeFrame(fromHex(CAPTURED[name]))).toBe(text);
  });

  test.each([
    ['an empty frame', '', '[ethernet-truncated] 0 bytes'],
    [
      'another EtherType',
      `${CAPTURED.syn.slice(0, 24)}88cc0207`,
      '02:00:00:00:00:0a > 02:00:00:00:00:0b: ethertype 0x88cc, length 2',
    ],
    [
      'a tag',
      `${CAPTURED.arpRequest.slice(0, 24)}8100a064${CAPTURED.arpRequest.slice(24)}`,
      'vlan 100 p 5, ARP, Request who-has 10.0.0.2 tell 10.0.0.1',
    ],
    ['a broken IPv4 checksum', CAPTURED.udp.replace('13db2', '13db3'), 'IPv4 [ipv4-checksum]'],
    [
      'a broken TCP checksum',
      CAPTURED.reset.replace('ac75', 'ac76'),
      '10.0.0.2.81 > 10.0.0.1.55850: Flags [R.], seq 0, ack 3004785091, win 0, length 0 [tcp-checksum]',
    ],
    [
      'a broken ICMP checksum',
      CAPTURED.portUnreachable.replace('111e', '111f'),
      '10.0.0.2 > 10.0.0.1: ICMP [icmp-checksum]',
    ],
    ['a cut ARP packet', CAPTURED.arpReply.slice(0, 60), 'ARP [arp-truncated]'],
  ])('%s', (_name, hex, text) => {
    expect(describeFrame(fromHex(hex))).toBe(text);
  });

  test('SACK blocks, urgent pointer and all flags', () => {
    const header = new TcpHeader();
    header.flags = 0xff;
    header.urgentPointer = 3;
    header.sackCount = 2;
    header.sackLeft.set([10, -1]);
    header.sackRight.set([20, 5]);
    expect(describeSegment(header)).toBe(
      'Flags [FSRP.UEW], seq 0, ack 0, win 0, urg 3, options [sack 2 {10:20}{4294967295:5}], length 0',
    );
    header.reset();
    expect(describeSegment(header)).toBe('Flags [none], seq 0, win 0, length 0');
  });

  test('flag names', () => {
    expect(flagNames(TcpFlag.SYN | TcpFlag.ECE | TcpFlag.CWR)).toEqual(['SYN', 'ECE', 'CWR']);
  });
});

describe('drop reasons', () => {
  test('each has a name and a number of its own', () => {
    const values = Object.values(DropReason);
    expect(new Set(values).size).toBe(values.length);
    expect(values).toEqual(values.map((_, index) => index));
    expect(dropReasonName(DropReason.TCP_OPTION_LENGTH)).toBe('tcp-option-length');
    expect(dropReasonName(999)).toBe('unknown');
  });

  test('counters count all but NONE', () => {
    const counters = new DropCounters();
    counters.count(DropReason.NONE);
    counters.count(DropReason.TCP_CHECKSUM);
    counters.count(DropReason.TCP_CHECKSUM);
    counters.count(DropReason.RESOURCES);
    expect(counters.get(DropReason.TCP_CHECKSUM)).toBe(2);
    expect(counters.total).toBe(3);
    expect(counters.toObject()).toEqual({ 'tcp-checksum': 2, resources: 1 });
  });
});
