/** Targets for the parsers of single headers: what was accepted lies inside of what was given. */
import {
  ArpPacket,
  DROP_REASON_COUNT,
  DropReason,
  describeFrame,
  describeSegment,
  EmbeddedSegment,
  EthernetHeader,
  Icmpv4Message,
  Icmpv6EmbeddedSegment,
  Icmpv6Message,
  IpAddress,
  IpPacket,
  MldQuery,
  NdpMessage,
  parseArp,
  parseEmbeddedSegment,
  parseEthernet,
  parseIcmpv4,
  parseIcmpv6,
  parseIcmpv6EmbeddedSegment,
  parseMldQuery,
  parseNdp,
  parseTcp,
  segmentFromObject,
  segmentToObject,
  TcpHeader,
  tcpHeaderLength,
  writeTcp,
} from '../../src/wire/index.ts';
import { InputReader } from '../engine/input-reader.ts';
import { check, type FuzzTarget, stateless } from '../engine/target.ts';
import { ETHERNET, IPV4_FRAMES, IPV6_FRAMES, repairPayload, words } from './frames.ts';

function known(reason: DropReason): boolean {
  check(Number.isInteger(reason) && reason >= 0 && reason < DROP_REASON_COUNT, `reason ${reason}`);
  return reason === DropReason.NONE;
}

function inside(offset: number, length: number, end: number): void {
  check(offset >= 0 && length >= 0 && offset + length <= end, `${offset}+${length} leaves ${end}`);
}

/** Some bytes in a larger buffer, so that a parser that leaves its range meets other bytes. */
function embedded(input: Uint8Array, offset: number): Uint8Array {
  const buffer = new Uint8Array(offset + input.length + 64).fill(0xa5);
  buffer.set(input, offset);
  return buffer;
}

export const ethernet: FuzzTarget = stateless(
  {
    name: 'ethernet',
    covers: 'Ethernet and 802.1Q headers, ARP, and the description of whole frames',
    shape: 'bytes',
    maximumLength: 400,
    dictionary: words(
      '0800',
      '0806',
      '86dd',
      '8100',
      '88a8',
      'ffffffffffff',
      '0001080006040001',
      '81000001',
      '0600',
      '05dc',
    ),
    seeds: () => [...IPV4_FRAMES, ...IPV6_FRAMES].map((frame) => frame.slice()),
  },
  (input) => {
    const header = new EthernetHeader();
    if (known(parseEthernet(input, 0, input.length, header))) {
      inside(header.payloadOffset, header.payloadLength, input.length);
      check(header.vlanId >= -1 && header.vlanId < 4096 && header.priority < 8, 'a tag beyond its bits');
      known(parseArp(input, header.payloadOffset, header.payloadLength, new ArpPacket()));
    }
    known(parseArp(input, 0, input.length, new ArpPacket()));
    const text = describeFrame(input);
    check(!/undefined|NaN/.test(text), text);
    check(text.length < 4000 + input.length, 'a description without end');
  },
);

const TCP_SEEDS = IPV4_FRAMES.filter((frame) => frame[23] === 6).map((frame) => frame.slice(34));

export const tcpHeader: FuzzTarget = stateless(
  {
    name: 'tcp-header',
    covers: 'TCP headers with their options: parsed, described, written and parsed again',
    shape: 'bytes',
    maximumLength: 120,
    dictionary: words(
      '020405b4',
      '0402',
      '01',
      '00',
      '0303',
      '030307',
      '080a',
      '050a',
      '0512',
      '2202',
      'fe04f989',
      '1d12',
      '00005002',
      '0000f002',
    ),
    seeds: () => TCP_SEEDS.map((segment) => segment.slice()),
  },
  (input) => {
    const offset = 24;
    const buffer = embedded(input, offset);
    const header = new TcpHeader();
    if (!known(parseTcp(buffer, offset, input.length, header))) return;
    inside(header.payloadOffset - offset, header.payloadLength, input.length);
    check(header.sackCount <= 4 && header.windowScale >= -1 && header.windowScale <= 14, 'options beyond their bounds');
    check(!/undefined|NaN/.test(describeSegment(header)), 'description');
    const again = new TcpHeader();
    segmentFromObject(segmentToObject(header), again);
    check(JSON.stringify(segmentToObject(again)) === JSON.stringify(segmentToObject(header)), 'object and back');
    const written = new Uint8Array(60);
    const length = writeTcp(again, written, 0);
    check(length === tcpHeaderLength(again) && length <= 60, 'length of the header written');
    const second = new TcpHeader();
    check(parseTcp(written, 0, length, second) === DropReason.NONE, 'what was written is not understood');
    check(
      second.sequence === header.sequence && second.flags === header.flags && second.window === header.window,
      'what was written is something else',
    );
  },
);

export const icmpv4: FuzzTarget = stateless(
  {
    name: 'icmpv4',
    covers: 'ICMPv4 messages and the datagrams inside of errors',
    shape: 'bytes',
    maximumLength: 700,
    dictionary: words('0304', '0303', '0b00', '0c00', '0800', '0500', '45000028', '4f', '06', '2000', '0001'),
    seeds: () =>
      IPV4_FRAMES.filter((frame) => frame[23] === 1)
        .map((frame) => frame.slice(34))
        .concat(
          IPV4_FRAMES.filter((frame) => frame[23] === 6).map((frame) =>
            Uint8Array.of(3, 4, 0, 0, 0, 0, 5, 0, ...frame.slice(14)),
          ),
        ),
  },
  (input) => {
    const buffer = input.slice();
    if ((buffer[1] ?? 0) < 200) repairPayload(buffer, 0, buffer.length, 1, new IpPacket());
    const message = new Icmpv4Message();
    if (!known(parseIcmpv4(buffer, 0, buffer.length, message))) return;
    inside(message.payloadOffset, message.payloadLength, buffer.length);
    const segment = new EmbeddedSegment();
    if (known(parseEmbeddedSegment(buffer, message.payloadOffset, message.payloadLength, segment))) {
      inside(segment.ip.payloadOffset, 8, buffer.length);
    }
  },
);

const ADDRESSES = new IpPacket();
ADDRESSES.family = 6;

export const icmpv6: FuzzTarget = stateless(
  {
    name: 'icmpv6',
    covers: 'ICMPv6 messages, Neighbor Discovery with its options, MLD queries, and the datagrams inside of errors',
    shape: 'bytes',
    maximumLength: 1500,
    dictionary: words(
      '85000000',
      '86000000',
      '87000000',
      '88000000',
      '89000000',
      '82000000',
      '01010200000000fe',
      '0201',
      '0304',
      '0501000000000500',
      '0304404000000e10',
      '1903',
      '1f',
      '00',
      '3a',
      '2c',
      '06',
      'fe80000000000000',
      '60000000',
    ),
    seeds: () => [
      ...IPV6_FRAMES.map((frame) => frame.slice(ETHERNET + 40)),
      ...words(
        '8600000040000708000000000000000001010200000000fe0501000000000578030440c00000000900000009000000002001 0db8 0001 0000 0000000000000000'.replace(
          / /g,
          '',
        ),
        '8900000000000000fe8000000000000000000000000000fe20010db80000000000000000000000090201020000000009',
        '8200000003e80000ff02000000000000000000000001000102 7d0000'.replace(/ /g, ''),
        '020000000000050060000000001406 40fd000000000000000000000000000001fd000000000000000000000000000002'.replace(
          / /g,
          '',
        ) + '1f9000500000000100000002501000000000 0000'.replace(/ /g, ''),
      ),
    ],
  },
  (input) => {
    const buffer = input.slice();
    const isRepaired = (buffer[1] ?? 0) < 200;
    if (isRepaired) repairPayload(buffer, 0, buffer.length, 58, ADDRESSES);
    const message = new Icmpv6Message();
    const sum = ADDRESSES.pseudoHeaderSum(58, buffer.length);
    if (!known(parseIcmpv6(buffer, 0, buffer.length, sum, message))) return;
    inside(message.payloadOffset, message.payloadLength, buffer.length);
    known(
      parseIcmpv6EmbeddedSegment(buffer, message.payloadOffset, message.payloadLength, new Icmpv6EmbeddedSegment()),
    );
    known(parseMldQuery(buffer, 0, buffer.length, new MldQuery()));
    const ndp = new NdpMessage();
    if (known(parseNdp(buffer, 0, buffer.length, ndp))) {
      check(ndp.prefixes.length <= 8, 'prefixes without bound');
      for (const { prefixLength } of ndp.prefixes) check(prefixLength >= 0 && prefixLength <= 128, 'prefix length');
    }
  },
);

export const addresses: FuzzTarget = stateless(
  {
    name: 'addresses',
    covers: 'IP addresses as text: what is read and written again is the same',
    shape: 'text',
    maximumLength: 80,
    dictionary: ['::', ':', '.', '255', 'ffff', 'fe80', '%eth0', '0', '1.2.3.4', '::ffff:', '/'].map((text) =>
      new TextEncoder().encode(text),
    ),
    seeds: () =>
      ['10.0.0.1', 'fd00::1', '::', '::ffff:1.2.3.4', '2001:db8:1:2:3:4:5:6', 'fe80::1%eth0'].map((text) =>
        new TextEncoder().encode(text),
      ),
  },
  (input) => {
    const text = new TextDecoder('latin1').decode(new InputReader(input).rest());
    const address = IpAddress.parse(text);
    if (address === null) return;
    const again = IpAddress.parse(address.toString());
    check(again?.equals(address) === true, `${JSON.stringify(text)} is ${address}, and that something else`);
    const { bytes, family } = address;
    check(IpAddress.fromBytes(family, bytes).equals(address), 'bytes and back');
  },
);
