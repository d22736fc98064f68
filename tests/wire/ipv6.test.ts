/** IPv6 headers, ICMPv6 and Neighbor Discovery, against frames of the Linux kernel and against themselves. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ALL_NODES,
  addressFromMac,
  buildTcpFrame,
  DropReason,
  describeFrame,
  EthernetHeader,
  EtherType,
  FrameBuffers,
  type FrameRoute,
  Icmpv6EmbeddedSegment,
  Icmpv6Message,
  Icmpv6Type,
  IPV6_HEADER_LENGTH,
  IpAddress,
  IpPacket,
  IpProtocol,
  Ipv6Header,
  isLinkLocal,
  LINK_LOCAL_PREFIX,
  MacAddress,
  MldRecordType,
  multicastMacAddress,
  NdpMessage,
  NeighborFlag,
  ParameterProblemCode,
  parseEthernet,
  parseIcmpv6,
  parseIcmpv6EmbeddedSegment,
  parseIp,
  parseIpv6,
  parseNdp,
  pseudoHeaderSum,
  ROUTER_ALERT_HEADER,
  readUint16,
  routerAdvertisementLength,
  setIpv6Addresses,
  solicitedNode,
  TcpFlag,
  TcpHeader,
  UNSPECIFIED_IPV6,
  writeIcmpv6Echo,
  writeIcmpv6Error,
  writeIpv6,
  writeMldReport,
  writeNeighborAdvertisement,
  writeNeighborSolicitation,
  writeRedirect,
  writeRouterAdvertisement,
  writeRouterSolicitation,
} from '../../src/wire/index.ts';
import { fromHex, toHex } from './captured-frames.ts';
import { CAPTURED_IPV6 } from './captured-ipv6.ts';

const A = IpAddress.parse('fd00::a') as IpAddress;
const B = IpAddress.parse('fd00::b') as IpAddress;
const MAC_A = MacAddress.parse('02:00:00:00:00:0a') as MacAddress;
const MAC_B = MacAddress.parse('02:00:00:00:00:0b') as MacAddress;

const IP = 14;
const BODY = IP + IPV6_HEADER_LENGTH;

const word = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const address = fc.tuple(word, word, word, word).map(([a, b, c, d]) => IpAddress.fromWords(6, a, b, c, d));

/** A datagram with this chain of headers behind the IPv6 header: [Next Header of the header before, bytes]. */
function datagram(chain: readonly (readonly [number, readonly number[]])[], last: number, payload: number): Uint8Array {
  const bytes = chain.flatMap(([, header], index) => [chain[index + 1]?.[0] ?? last, ...header]);
  const packet = new Uint8Array(IPV6_HEADER_LENGTH + bytes.length + payload);
  const header = new Ipv6Header();
  setIpv6Addresses(header, A, B);
  header.protocol = chain[0]?.[0] ?? last;
  header.bodyLength = bytes.length + payload;
  writeIpv6(header, packet, 0);
  packet.set(bytes, IPV6_HEADER_LENGTH);
  return packet;
}

function parse(packet: Uint8Array): { reason: DropReason; header: Ipv6Header } {
  const header = new Ipv6Header();
  return { reason: parseIpv6(packet, 0, packet.length, header), header };
}

/** PadN over the rest of 8 bytes; an option of this type and no data with padding behind it. */
const PADDING = [0, 1, 4, 0, 0, 0, 0];
const optionOf = (type: number): number[] => [0, type, 0, 1, 2, 0, 0];

describe('IPv6 header', () => {
  test('what is written is what is read', () => {
    fc.assert(
      fc.property(
        address,
        address,
        fc.nat(255),
        fc.nat(0xfffff),
        fc.nat(255),
        fc.nat(300),
        (source, destination, trafficClass, flowLabel, hopLimit, length) => {
          const header = new Ipv6Header();
          setIpv6Addresses(header, source, destination);
          Object.assign(header, { trafficClass, flowLabel, hopLimit, protocol: IpProtocol.TCP, bodyLength: length });
          const buffer = new Uint8Array(5 + IPV6_HEADER_LENGTH + length);
          expect(writeIpv6(header, buffer, 5)).toBe(40);
          const packet = new IpPacket();
          expect(parseIp(buffer, 5, buffer.length - 5, EtherType.IPV6, packet)).toBe(DropReason.NONE);
          expect(packet.isFrom(source) && packet.isTo(destination)).toBe(true);
          expect(packet.source.equals(source) && packet.destination.equals(destination)).toBe(true);
          expect(packet).toMatchObject({ family: 6, trafficClass, hopLimit, payloadLength: length, hasOptions: false });
          expect(packet.ipv6.flowLabel).toBe(flowLabel);
          expect(packet.pseudoHeaderSum(6, length)).toBe(pseudoHeaderSum(source, destination, 6, length));
        },
      ),
    );
  });

  test('padding of the link is none of the payload; a datagram that is cut off is dropped', () => {
    const whole = datagram([], IpProtocol.TCP, 20);
    const padded = new Uint8Array(whole.length + 7);
    padded.set(whole);
    expect(parse(padded).header.payloadLength).toBe(20);
    expect(parse(whole.subarray(0, 59)).reason).toBe(DropReason.IPV6_PAYLOAD_LENGTH);
    expect(parse(whole.subarray(0, 39)).reason).toBe(DropReason.IPV6_TRUNCATED);
    whole[0] = 0x45;
    expect(parse(whole).reason).toBe(DropReason.IPV6_VERSION);
  });
});

describe('extension headers (RFC 8200 section 4)', () => {
  test('hop-by-hop, destination options and a routing header without segments left are skipped', () => {
    const packet = datagram(
      [
        [0, PADDING],
        [60, PADDING],
        [43, [0, 4, 0, 0, 0, 0, 0]],
      ],
      IpProtocol.TCP,
      21,
    );
    const { reason, header } = parse(packet);
    expect(reason).toBe(DropReason.NONE);
    expect(header).toMatchObject({ protocol: 6, hasExtensions: true, payloadOffset: 64, payloadLength: 21 });
    expect(header).toMatchObject({ headerLength: 64, isFragment: false });
  });

  test('the type of an option that is not known says what becomes of the datagram (section 4.2)', () => {
    const results = [0x1e, 0x5e, 0x9e, 0xde].map((type) => parse(datagram([[60, optionOf(type)]], 6, 20)));
    expect(results.map(({ reason }) => reason)).toEqual([
      DropReason.NONE,
      DropReason.IPV6_OPTION,
      DropReason.IPV6_OPTION,
      DropReason.IPV6_OPTION,
    ]);
    expect(results[1]?.header.problemCode).toBe(ParameterProblemCode.NONE);
    expect(results[2]?.header).toMatchObject({ problemCode: 2, problemPointer: 42, problemToGroups: true });
    expect(results[3]?.header).toMatchObject({ problemCode: 2, problemPointer: 42, problemToGroups: false });
  });

  test('a jumbo payload is not taken (RFC 2675), nor a route that is still to be followed (RFC 5095)', () => {
    expect(parse(datagram([[0, [0, 0xc2, 4, 0, 1, 0, 0]]], 6, 20)).reason).toBe(DropReason.IPV6_OPTION);
    const { reason, header } = parse(datagram([[43, [0, 0, 1, 0, 0, 0, 0]]], 6, 20));
    expect(reason).toBe(DropReason.IPV6_EXTENSION);
    expect(header).toMatchObject({ problemCode: 0, problemPointer: 42 });
  });

  test('hop-by-hop options stand first or not at all', () => {
    const { reason, header } = parse(
      datagram(
        [
          [60, PADDING],
          [0, PADDING],
        ],
        6,
        20,
      ),
    );
    expect(reason).toBe(DropReason.IPV6_EXTENSION);
    expect(header).toMatchObject({ problemCode: 1, problemPointer: 40 });
  });

  test('a chain that is too long, leaves the datagram, or has an option that leaves its header, is dropped', () => {
    const chain = (length: number) => Array.from({ length }, () => [60, PADDING] as const);
    expect(parse(datagram(chain(8), 6, 20)).reason).toBe(DropReason.NONE);
    expect(parse(datagram(chain(9), 6, 20)).reason).toBe(DropReason.IPV6_EXTENSION);
    expect(parse(datagram([[60, [9, 1, 4, 0, 0, 0, 0]]], 6, 20)).reason).toBe(DropReason.IPV6_EXTENSION);
    expect(parse(datagram([[60, [0, 1, 5, 0, 0, 0, 0]]], 6, 20)).reason).toBe(DropReason.IPV6_EXTENSION);
    expect(parse(datagram([], 60, 7)).reason).toBe(DropReason.IPV6_EXTENSION);
  });

  test('a fragment ends the chain, an atomic one does not (RFC 6946)', () => {
    const fragment = parse(
      datagram(
        [
          [60, PADDING],
          [44, [0, 0, 9, 1, 2, 3, 4]],
        ],
        6,
        24,
      ),
    );
    expect(fragment.reason).toBe(DropReason.NONE);
    expect(fragment.header).toMatchObject({ isFragment: true, moreFragments: true, fragmentOffset: 8, protocol: 6 });
    expect(fragment.header).toMatchObject({
      identification: 0x01020304,
      fragmentHeader: 48,
      fragmentHeaderNamedAt: 40,
    });
    expect(fragment.header).toMatchObject({ payloadOffset: 56, payloadLength: 24 });
    const atomic = parse(
      datagram(
        [
          [44, [0, 0, 0, 1, 2, 3, 4]],
          [60, PADDING],
        ],
        6,
        24,
      ),
    );
    expect(atomic.header).toMatchObject({ isFragment: false, protocol: 6, payloadOffset: 56, hasExtensions: true });
  });
});

describe('frames of the Linux kernel', () => {
  test('are described, checksums included', () => {
    const lines = Object.fromEntries(
      Object.entries(CAPTURED_IPV6).map(([name, hex]) => [name, describeFrame(fromHex(hex))]),
    );
    expect(lines).toEqual({
      duplicateProbe: ':: > ff02::1:ff00:a: NDP, Solicitation who-has fd00::a',
      solicitation: 'fd00::a > ff02::1:ff00:b: NDP, Solicitation who-has fd00::b',
      advertisement: 'fd00::b > fd00::a: NDP, Advertisement fd00::b is-at 02:00:00:00:00:0b [solicited, override]',
      routerSolicitation: 'fe80::ff:fe00:a > ff02::2: NDP, Router solicitation',
      listenerReport: ':: > ff02::16: ICMP6 type 143 code 0',
      echoRequest: 'fd00::a > fd00::b: ICMP6 echo request, id 4660, seq 1, length 4',
      echoReply: 'fd00::b > fd00::a: ICMP6 echo reply, id 4660, seq 1, length 4',
      portUnreachable: 'fd00::b > fd00::a: ICMP6 unreachable code 4, about fd00::a > fd00::b: ip-proto-17',
      syn:
        'fd00::a.46614 > fd00::b.8080: Flags [S], seq 2645396030, win 64800, ' +
        'options [mss 1440,sackOK,TS val 1997436539 ecr 0,wscale 10], length 0 [tcp-checksum]',
      fragment: 'fd00::a > fd00::b: ip-proto-17 fragment 3860679189:16@1448',
    });
  });

  test('have the pseudo header sum that we compute', () => {
    const frame = fromHex(CAPTURED_IPV6.syn);
    expect(pseudoHeaderSum(A, B, IpProtocol.TCP, 40)).toBe(readUint16(frame, BODY + 16));
  });

  test('are what we write', () => {
    const cases: [keyof typeof CAPTURED_IPV6, (buffer: Uint8Array, offset: number) => number][] = [
      ['solicitation', (buffer, at) => writeNeighborSolicitation(buffer, at, A, solicitedNode(B), B, MAC_A)],
      [
        'advertisement',
        (buffer, at) =>
          writeNeighborAdvertisement(buffer, at, B, A, B, NeighborFlag.SOLICITED | NeighborFlag.OVERRIDE, MAC_B),
      ],
      [
        'routerSolicitation',
        (buffer, at) =>
          writeRouterSolicitation(
            buffer,
            at,
            addressFromMac(LINK_LOCAL_PREFIX, MAC_A),
            IpAddress.parse('ff02::2') as IpAddress,
            MAC_A,
          ),
      ],
      [
        'echoReply',
        (buffer, at) =>
          writeIcmpv6Echo(buffer, at, B, A, Icmpv6Type.ECHO_REPLY, 0x1234, 1, Uint8Array.of(97, 98, 99, 100)),
      ],
    ];
    for (const [name, write] of cases) {
      const captured = fromHex(CAPTURED_IPV6[name]);
      const ours = captured.slice();
      ours.fill(0xaa, BODY);
      ours.fill(0, BODY + 4, BODY + 8);
      expect(write(ours, BODY), name).toBe(captured.length - BODY);
      expect(toHex(ours), name).toBe(toHex(captured));
    }
  });

  test('report listeners as we do (RFC 3810)', () => {
    const captured = fromHex(CAPTURED_IPV6.listenerReport);
    const ours = captured.slice();
    ours.fill(0xaa, BODY);
    ours.set(ROUTER_ALERT_HEADER, BODY);
    const { CHANGE_TO_EXCLUDE } = MldRecordType;
    expect(writeMldReport(ours, BODY + 8, UNSPECIFIED_IPV6, CHANGE_TO_EXCLUDE, [solicitedNode(A)])).toBe(28);
    expect(toHex(ours)).toBe(toHex(captured));
  });

  test('a wrong checksum is noticed', () => {
    const frame = fromHex(CAPTURED_IPV6.echoRequest);
    frame[frame.length - 1] ^= 1;
    expect(describeFrame(frame)).toBe('fd00::a > fd00::b: ICMP6 [icmp-checksum]');
  });
});

describe('addresses', () => {
  test('groups and interface identifiers', () => {
    expect(solicitedNode(IpAddress.parse('fd00::12:3456') as IpAddress).toString()).toBe('ff02::1:ff12:3456');
    expect(multicastMacAddress(ALL_NODES).toString()).toBe('33:33:00:00:00:01');
    const link = addressFromMac(LINK_LOCAL_PREFIX, MacAddress.parse('52:54:00:aa:bb:cc') as MacAddress);
    expect(link.toString()).toBe('fe80::5054:ff:feaa:bbcc');
    expect(isLinkLocal(link) && !isLinkLocal(A)).toBe(true);
  });
});

/** Parses the ICMPv6 message that was written for A and B, checksum and all. */
function message(buffer: Uint8Array, length: number): Icmpv6Message {
  const parsed = new Icmpv6Message();
  const sum = pseudoHeaderSum(A, B, IpProtocol.ICMPV6, length);
  expect(parseIcmpv6(buffer, 3, length, sum, parsed)).toBe(DropReason.NONE);
  return parsed;
}

describe('ICMPv6', () => {
  test('errors quote the segment that they are about', () => {
    const route: FrameRoute = {
      destination: MAC_B.bytes,
      source: MAC_A.bytes,
      vlanId: 5,
      userPriority: 1,
      sourceAddress: A,
      destinationAddress: B,
      ttl: 7,
      typeOfService: 0x2c,
      flowLabel: 0xabcde,
    };
    const header = new TcpHeader();
    Object.assign(header, { sourcePort: 1000, destinationPort: 2000, sequence: -9, flags: TcpFlag.ACK });
    const payload = { copyTo: (_o: number, n: number, into: Uint8Array, at: number) => into.fill(7, at, at + n) };
    const frame = buildTcpFrame(new FrameBuffers(), route, 0, header, payload, 0, 99);
    const ethernet = new EthernetHeader();
    expect(parseEthernet(frame, 0, frame.length, ethernet)).toBe(DropReason.NONE);
    expect(ethernet).toMatchObject({ vlanId: 5, priority: 1, etherType: EtherType.IPV6 });
    expect(describeFrame(frame)).toContain('fd00::a.1000 > fd00::b.2000: Flags [.], seq 4294967287');
    expect(describeFrame(frame)).not.toContain('[tcp-checksum]');
    const datagram = frame.subarray(ethernet.payloadOffset);
    const buffer = new Uint8Array(300);
    const length = writeIcmpv6Error(buffer, 3, A, B, Icmpv6Type.PACKET_TOO_BIG, 0, 1400, datagram.subarray(0, 48));
    const parsed = message(buffer, length);
    expect(parsed).toMatchObject({ type: 2, parameter: 1400, isError: true, payloadLength: 48 });
    const embedded = new Icmpv6EmbeddedSegment();
    expect(parseIcmpv6EmbeddedSegment(buffer, parsed.payloadOffset, 48, embedded)).toBe(DropReason.NONE);
    expect(embedded).toMatchObject({ sourcePort: 1000, destinationPort: 2000, sequence: -9 });
    expect(embedded.ip).toMatchObject({ hopLimit: 7, trafficClass: 0x2c, flowLabel: 0xabcde, protocol: 6 });
    expect(parseIcmpv6EmbeddedSegment(buffer, parsed.payloadOffset, 47, embedded)).toBe(DropReason.ICMP_EMBEDDED);
  });
});

describe('Neighbor Discovery (RFC 4861)', () => {
  test('router advertisements carry what was said', () => {
    const lifetime = fc.integer({ min: 0, max: 0xffffffff });
    const prefix = fc.record({
      prefix: address,
      prefixLength: fc.nat(128),
      onLink: fc.boolean(),
      autonomous: fc.boolean(),
      validLifetime: lifetime,
      preferredLifetime: lifetime,
    });
    fc.assert(
      fc.property(
        fc.record({
          hopLimit: fc.nat(255),
          routerLifetime: fc.nat(65535),
          reachableTime: lifetime,
          retransmitTime: lifetime,
          mtu: lifetime,
          prefixes: fc.array(prefix, { maxLength: 8 }),
        }),
        (said) => {
          const buffer = new Uint8Array(400);
          const length = writeRouterAdvertisement(buffer, 3, A, B, { ...said, macAddress: MAC_A });
          expect(length).toBe(routerAdvertisementLength({ ...said, macAddress: MAC_A }));
          expect(message(buffer, length).type).toBe(Icmpv6Type.ROUTER_ADVERTISEMENT);
          const heard = new NdpMessage();
          expect(parseNdp(buffer, 3, length, heard)).toBe(DropReason.NONE);
          const { prefixes, ...rest } = said;
          expect(heard).toMatchObject({ ...rest, hasSourceMac: true, sourceMacHigh: 0x0200, sourceMacLow: 10 });
          expect(heard.prefixes.map(({ prefix: at, ...other }) => ({ prefix: at.toString(), ...other }))).toEqual(
            prefixes.map(({ prefix: at, ...other }) => ({ prefix: at.toString(), ...other })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  test('redirects name a destination, and where to go instead', () => {
    const buffer = new Uint8Array(100);
    const length = writeRedirect(buffer, 3, A, B, A, ALL_NODES, MAC_B);
    expect(message(buffer, length).type).toBe(Icmpv6Type.REDIRECT);
    const heard = new NdpMessage();
    expect(parseNdp(buffer, 3, length, heard)).toBe(DropReason.NONE);
    expect(heard.targetAddress.equals(A) && heard.destinationAddress.equals(ALL_NODES)).toBe(true);
    expect(heard).toMatchObject({ hasTargetMac: true, targetMacLow: 11, hasSourceMac: false });
  });

  test('options of no length, or beyond the message, make it invalid; unknown ones are skipped', () => {
    const buffer = new Uint8Array(100);
    const length = writeNeighborSolicitation(buffer, 0, A, B, B, MAC_A);
    const heard = new NdpMessage();
    expect(parseNdp(buffer, 0, length, heard)).toBe(DropReason.NONE);
    buffer[24] = 200;
    expect(parseNdp(buffer, 0, length, heard)).toBe(DropReason.NONE);
    expect(heard.hasSourceMac).toBe(false);
    for (const wrong of [0, 2, 255]) {
      buffer[25] = wrong;
      expect(parseNdp(buffer, 0, length, heard), `${wrong}`).toBe(DropReason.NDP_INVALID);
    }
    buffer[25] = 1;
    buffer[1] = 1; // a code that is not zero
    expect(parseNdp(buffer, 0, length, heard)).toBe(DropReason.NDP_INVALID);
    buffer[1] = 0;
    expect(parseNdp(buffer, 0, 23, heard)).toBe(DropReason.NDP_INVALID);
    buffer[8] = 0xff; // a group as target
    expect(parseNdp(buffer, 0, length, heard)).toBe(DropReason.NDP_INVALID);
    buffer[0] = 200;
    expect(parseNdp(buffer, 0, length, heard)).toBe(DropReason.ICMP_TYPE);
  });
});
