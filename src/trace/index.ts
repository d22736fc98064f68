/** What was seen: captures and audits. */
export {
  type PacketDirection,
  PcapngInterface,
  type PcapngSink,
  PcapngWriter,
  type PcapngWriterOptions,
} from './pcapng.ts';
export { RetransmissionAudit, type RetransmissionCounts, WireFate } from './retransmission-audit.ts';
