import { describe, expect, test } from 'vitest';
import {
  ARP_LENGTH,
  ArpOperation,
  ArpPacket,
  DropReason,
  EthernetHeader,
  EtherType,
  ethernetHeaderLength,
  formatIpv4,
  MacAddress,
  parseArp,
  parseEthernet,
  writeArp,
  writeEthernet,
} from '../../src/wire/index.ts';
import { CAPTURED, fromHex, toHex } from './captured-frames.ts';

const MAC_A = MacAddress.parse('02:00:00:00:00:0a') as MacAddress;
const MAC_B = MacAddress.parse('02:00:00:00:00:0b') as MacAddress;

describe('Ethernet', () => {
  test('a captured frame', () => {
    const frame = fromHex(CAPTURED.syn);
    const header = new EthernetHeader();
    expect(parseEthernet(frame, 0, frame.length, header)).toBe(DropReason.NONE);
    expect(MacAddress.fromWords(header.destinationHigh, header.destinationLow).equals(MAC_B)).toBe(true);
    expect(MacAddress.fromWords(header.sourceHigh, header.sourceLow).equals(MAC_A)).toBe(true);
    expect(header.etherType).toBe(EtherType.IPV4);
    expect(header.vlanId).toBe(-1);
    expect(header.payloadOffset).toBe(14);
    expect(header.payloadLength).toBe(60);
    expect(header.isMulticast).toBe(false);
  });

  test('broadcast is recognised', () => {
    const frame = fromHex(CAPTURED.arpRequest);
    const header = new EthernetHeader();
    parseEthernet(frame, 0, frame.length, header);
    expect(header.isBroadcast).toBe(true);
    expect(header.isMulticast).toBe(true);
  });

  test.each([
    ['VLAN-08: neither VLAN nor priority, no tag', 0, 0, -1, '0800'],
    ['VLAN-09: priority alone, a tag of VLAN 0', 0, 5, 0, '8100a0000800'],
    ['VLAN-10: VLAN and priority, CFI 0', 0xfff, 7, 0xfff, '8100efff0800'],
    ['VLAN-10: VLAN without priority', 1, 0, 1, '810000010800'],
  ])('%s', (_name, vlanId, priority, parsedVlan, hex) => {
    const frame = new Uint8Array(40).fill(0xee);
    const length = writeEthernet(frame, 3, MAC_B.bytes, MAC_A.bytes, EtherType.IPV4, vlanId, priority);
    expect(length).toBe(ethernetHeaderLength(vlanId, priority));
    expect(toHex(frame.subarray(3, 3 + length))).toBe(`02000000000b02000000000a${hex}`);
    const header = new EthernetHeader();
    expect(parseEthernet(frame, 3, 30, header)).toBe(DropReason.NONE);
    expect(header.vlanId).toBe(parsedVlan);
    expect(header.priority).toBe(priority);
    expect(header.etherType).toBe(EtherType.IPV4);
    expect(header.payloadOffset).toBe(3 + length);
    expect(header.payloadLength).toBe(30 - length);
  });

  test('a second tag stays in the payload', () => {
    const frame = fromHex('02000000000b02000000000a8100000a8100000b0800ffff');
    const header = new EthernetHeader();
    expect(parseEthernet(frame, 0, frame.length, header)).toBe(DropReason.NONE);
    expect(header.vlanId).toBe(10);
    expect(header.etherType).toBe(EtherType.VLAN);
  });

  test.each([
    ['13 bytes', '02000000000b02000000000a08', DropReason.ETHERNET_TRUNCATED],
    ['half a tag', '02000000000b02000000000a8100000a', DropReason.ETHERNET_TRUNCATED],
    ['an 802.3 length', '02000000000b02000000000a0026424203', DropReason.ETHERNET_LENGTH_FIELD],
    ['a tagged 802.3 length', '02000000000b02000000000a810000010026', DropReason.ETHERNET_LENGTH_FIELD],
    ['nothing', '', DropReason.ETHERNET_TRUNCATED],
  ])('%s', (_name, hex, reason) => {
    const frame = fromHex(hex);
    expect(parseEthernet(frame, 0, frame.length, new EthernetHeader())).toBe(reason);
  });
});

describe('ARP', () => {
  test.each([
    [CAPTURED.arpRequest, ArpOperation.REQUEST, '10.0.0.1', MAC_A, '10.0.0.2', MacAddress.ZERO],
    [CAPTURED.arpReply, ArpOperation.REPLY, '10.0.0.2', MAC_B, '10.0.0.1', MAC_A],
  ])('a captured packet parses and is written as it was', (hex, operation, sender, senderMac, target, targetMac) => {
    const frame = fromHex(hex);
    const packet = new ArpPacket();
    expect(parseArp(frame, 14, frame.length - 14, packet)).toBe(DropReason.NONE);
    expect(packet.operation).toBe(operation);
    expect(formatIpv4(packet.senderAddress)).toBe(sender);
    expect(formatIpv4(packet.targetAddress)).toBe(target);
    expect(MacAddress.fromWords(packet.senderMacHigh, packet.senderMacLow).equals(senderMac)).toBe(true);
    expect(MacAddress.fromWords(packet.targetMacHigh, packet.targetMacLow).equals(targetMac)).toBe(true);
    const written = new Uint8Array(ARP_LENGTH);
    expect(writeArp(packet, written, 0)).toBe(ARP_LENGTH);
    expect(toHex(written)).toBe(hex.slice(28));
  });

  test.each([
    ['27 bytes', 27, 0, 0, DropReason.ARP_TRUNCATED],
    ['another hardware', 28, 1, 6, DropReason.ARP_UNSUPPORTED],
    ['another protocol', 28, 2, 0x86, DropReason.ARP_UNSUPPORTED],
    ['a hardware address of 8 bytes', 28, 4, 8, DropReason.ARP_UNSUPPORTED],
    ['a protocol address of 16 bytes', 28, 5, 16, DropReason.ARP_UNSUPPORTED],
    ['an inverse ARP request', 28, 7, 8, DropReason.ARP_OPERATION],
  ])('%s', (_name, length, at, value, reason) => {
    const packet = fromHex(CAPTURED.arpRequest.slice(28));
    packet[at] = value;
    expect(parseArp(packet, 0, length, new ArpPacket())).toBe(reason);
  });
});
