/** Segments that belong to no connection (RFC 9293 section 3.10.7.1). */
import { DropReason, type IpPacket, TcpFlag, TcpHeader } from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import type { IpOutput } from '../path/output.ts';
import { RateLimit } from '../rate-limit.ts';

/** Resets a second; port scans get no more. */
const RESETS_PER_SECOND = 200;

export class Nobody {
  private readonly core: HostCore;
  private readonly output: IpOutput;
  private readonly limit = new RateLimit(RESETS_PER_SECOND);
  private readonly reset = new TcpHeader();

  constructor(core: HostCore, output: IpOutput) {
    this.core = core;
    this.output = output;
  }

  /** Answers a segment with a reset, unless it is one. */
  answer(ip: IpPacket, segment: TcpHeader): void {
    this.core.drops.count(DropReason.TCP_NO_CONNECTION);
    if (segment.flags & TcpFlag.RST || !this.limit.take(this.core.tcp.now)) return;
    const { reset } = this;
    reset.reset();
    reset.sourcePort = segment.destinationPort;
    reset.destinationPort = segment.sourcePort;
    if (segment.flags & TcpFlag.ACK) {
      reset.sequence = segment.acknowledgment;
      reset.flags = TcpFlag.RST;
    } else {
      const syn = segment.flags & TcpFlag.SYN ? 1 : 0;
      const fin = segment.flags & TcpFlag.FIN ? 1 : 0;
      reset.acknowledgment = (segment.sequence + segment.payloadLength + syn + fin) | 0;
      reset.flags = TcpFlag.RST | TcpFlag.ACK;
    }
    this.core.statistics.resetsToNobody++;
    this.core.tcp.statistics.outResets++;
    this.output.sendAlone(ip.destination, ip.source, reset);
  }
}
