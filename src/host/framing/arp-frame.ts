/** ARP packets of our own, as whole frames. */
import {
  ARP_LENGTH,
  ArpPacket,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  type MacAddress,
  writeArp,
  writeEthernet,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';

const scratch = new ArpPacket();

/**
 * An ARP frame from this host.
 *
 * @param destination where the frame goes.
 * @param senderAddress our own address, int32.
 * @param targetMac the target hardware address field: zero in a request.
 * @param targetAddress the target protocol address, int32.
 */
export function arpFrame(
  core: HostCore,
  operation: number,
  destination: MacAddress,
  senderAddress: number,
  targetMac: MacAddress,
  targetAddress: number,
): Uint8Array {
  const { macAddress } = core.interface;
  const frame = core.buffers.allocate(ETHERNET_HEADER_LENGTH + ARP_LENGTH);
  writeEthernet(frame, 0, destination.bytes, macAddress.bytes, EtherType.ARP, 0, 0);
  scratch.operation = operation;
  scratch.senderMacHigh = macAddress.high;
  scratch.senderMacLow = macAddress.low;
  scratch.senderAddress = senderAddress;
  scratch.targetMacHigh = targetMac.high;
  scratch.targetMacLow = targetMac.low;
  scratch.targetAddress = targetAddress;
  writeArp(scratch, frame, ETHERNET_HEADER_LENGTH);
  return frame;
}
