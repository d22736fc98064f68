/** What a router with active queue management does to a packet instead of dropping it (RFC 3168 section 5). */
import {
  EcnCodepoint,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  IPV4_HEADER_LENGTH,
  internetChecksum,
  readUint16,
  VLAN_TAG_LENGTH,
  writeUint16,
} from '../wire/index.ts';

/**
 * A copy of the frame whose IP packet is marked "congestion experienced"; null when its transport does not use ECN, or the
 * frame holds no IP packet. A packet that is marked already is marked again.
 *
 * @param frame an Ethernet frame, perhaps with one tag
 */
export function markCongestion(frame: Uint8Array): Uint8Array | null {
  if (frame.length < ETHERNET_HEADER_LENGTH + VLAN_TAG_LENGTH) return null;
  const isTagged = readUint16(frame, 12) === EtherType.VLAN;
  const ip = ETHERNET_HEADER_LENGTH + (isTagged ? VLAN_TAG_LENGTH : 0);
  const etherType = readUint16(frame, ip - 2);
  if (frame.length < ip + IPV4_HEADER_LENGTH) return null;
  if (etherType === EtherType.IPV4) {
    const headerLength = (frame[ip] & 0x0f) << 2;
    if ((frame[ip + 1] & EcnCodepoint.CE) === EcnCodepoint.NOT_ECT) return null;
    if (headerLength < IPV4_HEADER_LENGTH || frame.length < ip + headerLength) return null;
    const marked = frame.slice();
    marked[ip + 1] |= EcnCodepoint.CE;
    writeUint16(marked, ip + 10, 0);
    writeUint16(marked, ip + 10, internetChecksum(marked, ip, headerLength));
    return marked;
  }
  if (etherType !== EtherType.IPV6 || ((frame[ip + 1] >>> 4) & EcnCodepoint.CE) === EcnCodepoint.NOT_ECT) return null;
  const marked = frame.slice();
  marked[ip + 1] |= EcnCodepoint.CE << 4;
  return marked;
}
