/** Targets for datagrams on their way in: headers, options, extension headers and reassembly, with a clock. */
import { HostCore } from '../../src/host/core.ts';
import { NetworkInterface } from '../../src/host/network-interface.ts';
import { IpInput } from '../../src/host/path/ip-input.ts';
import { ReassemblyLimits } from '../../src/host/path/reassembly.ts';
import type { HostTimer } from '../../src/host/timer.ts';
import { Random } from '../../src/link/index.ts';
import { DEFAULT_TCP_PARAMETERS, TcpContext } from '../../src/tcp/index.ts';
import {
  DropReason,
  EthernetHeader,
  IpAddress,
  type IpPacket,
  MacAddress,
  parseEthernet,
  writeUint16,
} from '../../src/wire/index.ts';
import { InputReader } from '../engine/input-reader.ts';
import { readRecords, writeRecords } from '../engine/records.ts';
import { check, type FuzzSubject, type FuzzTarget } from '../engine/target.ts';
import { ETHERNET, IPV4_FRAMES, IPV6_FRAMES, Repair, repair, words } from './frames.ts';

/** The addresses in the captured frames. */
const OWN = ['10.0.0.1', '10.0.0.2', 'fd00::a', 'fd00::b'];

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

/** Operations of records, in the two highest bits; the lowest two say what is repaired. */
const Operation = { FRAME: 0, FRAGMENT: 1, TIME: 2 } as const;
const operationOf = (operation: number) => operation >>> 6;

class Datagrams implements FuzzSubject {
  private readonly family: 4 | 6;
  private readonly core: HostCore;
  private readonly input: IpInput;
  private readonly ethernet = new EthernetHeader();
  private now = 1_000_000;

  constructor(family: 4 | 6) {
    this.family = family;
    const random = new Random(5);
    const tcp = new TcpContext(DEFAULT_TCP_PARAMETERS, () => random.int32(), this.now);
    const link = new NetworkInterface({
      addresses: OWN.map((text) => ({ address: address(text), prefixLength: 24 })),
      macAddress: MacAddress.fromWords(0x0200, 11),
      mtu: 1500,
      taskOffload: false,
    });
    this.core = new HostCore(
      tcp,
      link,
      () => {},
      () => {},
    );
    const taken = (frame: Uint8Array, packet: IpPacket): void => {
      check(packet.payloadOffset + packet.payloadLength <= frame.length, 'a payload that leaves its frame');
      check(!packet.isFragment, 'a fragment was passed on');
    };
    this.input = new IpInput(this.core, true, {
      tcpArrives: taken,
      icmpv4Arrives: taken,
      icmpv6Arrives: taken,
      parameterProblem: (frame, offset, _packet, _code, pointer) =>
        check(pointer >= 0 && offset + pointer <= frame.length + 65_575, `pointer ${pointer}`),
      reassemblyTimedOut: (_family, quotation) => check(quotation.length <= 1232, 'a quotation without bound'),
    });
  }

  feed(input: Uint8Array): void {
    for (const { operation, bytes } of readRecords(input)) {
      switch (operationOf(operation)) {
        case Operation.TIME:
          this.elapse(new InputReader(bytes).u16());
          break;
        case Operation.FRAGMENT:
          this.arrives(this.fragment(new InputReader(bytes)));
          break;
        default:
          this.arrives(repair(bytes.slice(), operation & 3));
      }
      this.checkBounds();
    }
  }

  finish(): void {
    for (let minute = 0; minute < 3; minute++) this.elapse(60_000);
    check(this.reassembly.size === 0 && this.reassembly.bytes === 0, 'fragments outlive their time');
    check(this.core.tcp.nextDeadline() === Number.POSITIVE_INFINITY, 'a timer without a reason');
  }

  private get reassembly() {
    return this.family === 4 ? this.input.reassemblyIpv4 : this.input.reassemblyIpv6;
  }

  private elapse(milliseconds: number): void {
    this.now += milliseconds * 1000;
    this.core.tcp.advance(this.now, (entry) => (entry as HostTimer).expire());
  }

  private arrives(frame: Uint8Array): void {
    if (parseEthernet(frame, 0, frame.length, this.ethernet) !== DropReason.NONE) return;
    this.input.arrives(frame, this.ethernet, false);
  }

  private checkBounds(): void {
    const { size, bytes } = this.reassembly;
    check(size <= ReassemblyLimits.DATAGRAMS, `${size} datagrams wait`);
    check(bytes <= ReassemblyLimits.BYTES, `${bytes} bytes wait`);
    check(size > 0 || bytes === 0, `${bytes} bytes of no datagram`);
  }

  /** A fragment from few bytes: identification, offset, more, and what is in it. */
  private fragment(reader: InputReader): Uint8Array {
    const identification = reader.u8() & 3;
    const offset = reader.u16() & 0x1fff;
    const bits = reader.u8();
    const length = bits & 4 ? reader.u16() : (reader.u8() & 0x1f) * 8;
    const payload = new Uint8Array(Math.min(length, 20_000)).fill(0x11);
    payload.set(reader.rest().subarray(0, payload.length));
    const header =
      this.family === 4 ? this.header4(identification, offset, bits) : this.header6(identification, offset, bits);
    const frame = new Uint8Array(header.length + payload.length);
    frame.set(header);
    frame.set(payload, header.length);
    return repair(frame, Repair.CHECKSUMS | Repair.LENGTHS);
  }

  private header4(identification: number, offset: number, bits: number): Uint8Array {
    const header = IPV4_FRAMES[4].slice(0, ETHERNET + 20);
    writeUint16(header, ETHERNET + 4, identification);
    writeUint16(header, ETHERNET + 6, offset | (bits & 1 ? 0x2000 : 0));
    header[ETHERNET + 9] = bits & 2 ? 1 : 6;
    header[ETHERNET + 15] = bits >>> 5;
    return header;
  }

  private header6(identification: number, offset: number, bits: number): Uint8Array {
    const header = new Uint8Array(ETHERNET + 48);
    header.set(IPV6_FRAMES[8].subarray(0, ETHERNET + 40));
    header[ETHERNET + 6] = 44;
    header[ETHERNET + 40] = bits & 2 ? 58 : bits & 8 ? 60 : 6;
    writeUint16(header, ETHERNET + 42, (offset << 3) | (bits & 1));
    header[ETHERNET + 47] = identification;
    header[ETHERNET + 23] = bits >>> 5;
    return header;
  }
}

const frameRecord = (bytes: Uint8Array) => ({ operation: Repair.CHECKSUMS, bytes });
const fragmentRecord = (...bytes: number[]) => ({ operation: Operation.FRAGMENT << 6, bytes: Uint8Array.from(bytes) });

function fragmentSeeds(): Uint8Array[] {
  return [
    writeRecords([fragmentRecord(1, 0, 0, 1, 8), fragmentRecord(1, 0, 8, 0, 4)]),
    writeRecords([fragmentRecord(1, 0, 8, 0, 4), fragmentRecord(1, 0, 0, 1, 8)]),
    writeRecords([fragmentRecord(1, 0, 0, 1, 8), fragmentRecord(1, 0, 4, 0, 8)]),
    writeRecords([
      fragmentRecord(1, 0, 0, 1, 8),
      { operation: Operation.TIME << 6, bytes: Uint8Array.of(0xff, 0xff) },
      fragmentRecord(1, 0, 8, 0, 4),
    ]),
  ];
}

export const ipv4: FuzzTarget = {
  name: 'ipv4',
  covers: 'IPv4 headers and options, and reassembly of fragments over time',
  shape: 'records',
  maximumLength: 8_000,
  dictionary: words('45', '4f', '46', '2000', '4000', '3fff', '0006', '01010100', '8307', '44', '94040000'),
  seeds: () => [...IPV4_FRAMES.map((frame) => writeRecords([frameRecord(frame)])), ...fragmentSeeds()],
  start: () => new Datagrams(4),
};

export const ipv6: FuzzTarget = {
  name: 'ipv6',
  covers: 'IPv6 headers and extension headers, and reassembly of fragments over time',
  shape: 'records',
  maximumLength: 8_000,
  dictionary: words(
    '60',
    '00',
    '2b',
    '2c',
    '3c',
    '33',
    '32',
    '3b',
    '87',
    '3a',
    '06',
    '0600010400000000',
    '2c00',
    '0005',
    'c2040001',
    '0001',
    '0502',
    'c90210',
  ),
  seeds: () => [
    ...IPV6_FRAMES.map((frame) => writeRecords([frameRecord(frame)])),
    writeRecords([frameRecord(withExtensions())]),
    ...fragmentSeeds(),
  ],
  start: () => new Datagrams(6),
};

/** A SYN behind hop-by-hop options, a routing header and destination options. */
function withExtensions(): Uint8Array {
  const syn = IPV6_FRAMES[8];
  const chain = Uint8Array.of(43, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0);
  const frame = new Uint8Array(syn.length + chain.length);
  frame.set(syn.subarray(0, ETHERNET + 40));
  frame[ETHERNET + 6] = 0;
  frame.set(chain, ETHERNET + 40);
  frame.set(syn.subarray(ETHERNET + 40), ETHERNET + 40 + chain.length);
  return repair(frame, Repair.CHECKSUMS | Repair.LENGTHS);
}
