/** Frames for the targets that take them: captured ones as seeds, and checksums put right so that changes get past them. */
import {
  addSums,
  EtherType,
  finishChecksum,
  finishTcpChecksum,
  IpPacket,
  IpProtocol,
  Ipv6Header,
  internetChecksum,
  parseIpv6,
  readInt32,
  readUint16,
  sumBytes,
  writeUint16,
} from '../../src/wire/index.ts';
import { CAPTURED, fromHex } from '../../tests/wire/captured-frames.ts';
import { CAPTURED_IPV6 } from '../../tests/wire/captured-ipv6.ts';

export const ETHERNET = 14;

export const IPV4_FRAMES: readonly Uint8Array[] = Object.values(CAPTURED).map(fromHex);
export const IPV6_FRAMES: readonly Uint8Array[] = Object.values(CAPTURED_IPV6).map(fromHex);

/** Bytes as a list of hexadecimal texts says. */
export function words(...texts: readonly string[]): Uint8Array[] {
  return texts.map(fromHex);
}

/** Which fields `repair` puts right. */
export const Repair = { CHECKSUMS: 1, LENGTHS: 2 } as const;

/** Puts the checksums, and lengths, of an Ethernet frame with an IP packet right, in place. `what`: bits of `Repair`. */
export function repair(frame: Uint8Array, what: number): Uint8Array {
  if (frame.length < ETHERNET) return frame;
  const tagged = readUint16(frame, 12) === EtherType.VLAN;
  const at = tagged ? ETHERNET + 4 : ETHERNET;
  if (frame.length < at + 20) return frame;
  const etherType = readUint16(frame, at - 2);
  if (etherType === EtherType.IPV4) repairIpv4(frame, at, what);
  if (etherType === EtherType.IPV6 && frame.length >= at + 40) repairIpv6(frame, at, what);
  return frame;
}

function repairIpv4(frame: Uint8Array, at: number, what: number): void {
  const headerLength = (frame[at] & 0x0f) << 2;
  if (what & Repair.LENGTHS) writeUint16(frame, at + 2, frame.length - at);
  if (!(what & Repair.CHECKSUMS) || headerLength < 20 || at + headerLength > frame.length) return;
  writeUint16(frame, at + 10, 0);
  writeUint16(frame, at + 10, internetChecksum(frame, at, headerLength));
  const length = readUint16(frame, at + 2) - headerLength;
  const isFragment = (readUint16(frame, at + 6) & 0x3fff) !== 0;
  if (isFragment || length < 8 || at + headerLength + length > frame.length) return;
  const packet = new IpPacket();
  packet.source0 = readInt32(frame, at + 12);
  packet.destination0 = readInt32(frame, at + 16);
  repairPayload(frame, at + headerLength, length, frame[at + 9], packet);
}

function repairIpv6(frame: Uint8Array, at: number, what: number): void {
  if (what & Repair.LENGTHS) writeUint16(frame, at + 4, frame.length - at - 40);
  if (!(what & Repair.CHECKSUMS)) return;
  const header = new Ipv6Header();
  if (parseIpv6(frame, at, frame.length - at, header) !== 0 || header.isFragment) return;
  const packet = new IpPacket();
  packet.family = 6;
  for (const name of ['source0', 'source1', 'source2', 'source3'] as const) packet[name] = header[name];
  for (const name of ['destination0', 'destination1', 'destination2', 'destination3'] as const)
    packet[name] = header[name];
  repairPayload(frame, header.payloadOffset, header.payloadLength, header.protocol, packet);
}

/** Puts the checksum of an upper layer right; `packet` has the addresses. */
export function repairPayload(frame: Uint8Array, at: number, length: number, protocol: number, packet: IpPacket): void {
  if (protocol === IpProtocol.TCP && length >= 20) {
    finishTcpChecksum(frame, at, length, packet.pseudoHeaderSum(IpProtocol.TCP, length));
  } else if (protocol === IpProtocol.ICMPV4 && packet.family === 4 && length >= 4) {
    writeUint16(frame, at + 2, 0);
    writeUint16(frame, at + 2, internetChecksum(frame, at, length));
  } else if (protocol === IpProtocol.ICMPV6 && packet.family === 6 && length >= 4) {
    writeUint16(frame, at + 2, 0);
    const sum = addSums(sumBytes(frame, at, length), packet.pseudoHeaderSum(IpProtocol.ICMPV6, length));
    writeUint16(frame, at + 2, finishChecksum(sum));
  }
}
