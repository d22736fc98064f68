/** SYN-ACKs that leave nothing behind, and the ACKs that bring back what they said (RFC 4987 section 3.6). */
import { defaultRemoteMss, TcpConstantFlag } from '../../tcp/index.ts';
import {
  type CookieEnds,
  cookieSackPermitted,
  cookieTimestamp,
  cookieWindowScale,
  SynCookies,
} from '../../tcp/syn-cookie.ts';
import { type IpPacket, ipHeaderLength, TcpFlag, TcpHeader } from '../../wire/index.ts';
import { offeredFlags } from '../connection-options.ts';
import type { HostCore } from '../core.ts';
import type { IpOutput } from '../path/output.ts';
import type { PathTable } from '../path/path-table.ts';
import type { Listener } from './listener.ts';
import type { Openings } from './opening.ts';

const TCP_HEADER_LENGTH = 20;

export class CookieHandshakes {
  private readonly core: HostCore;
  private readonly paths: PathTable;
  private readonly output: IpOutput;
  private readonly openings: Openings;
  private readonly cookies: SynCookies;
  /** Reused: the SYN-ACK that leaves, and the SYN that a cookie tells of. */
  private readonly header = new TcpHeader();

  constructor(core: HostCore, paths: PathTable, output: IpOutput, openings: Openings) {
    this.core = core;
    this.paths = paths;
    this.output = output;
    this.openings = openings;
    this.cookies = new SynCookies(core.tcp.random);
  }

  /** Answers a SYN with a cookie. Window scale and SACK fit into a timestamp only: a peer without has to do without them. */
  answer(listener: Listener, ip: IpPacket, syn: TcpHeader): void {
    const { tcp, interface: link, statistics } = this.core;
    const { source, destination } = ip;
    if (!this.paths.isUnicast(source)) return;
    const { options } = listener;
    const offered = offeredFlags(options);
    const { header } = this;
    const ends = endsOf(ip, syn);
    const overhead = ipHeaderLength(destination.family) + TCP_HEADER_LENGTH;
    const announced = syn.maximumSegmentSize === 0 ? defaultRemoteMss(overhead) : syn.maximumSegmentSize;
    header.reset();
    header.optionLayout = tcp.parameters.optionLayout;
    header.sourcePort = syn.destinationPort;
    header.destinationPort = syn.sourcePort;
    header.sequence = this.cookies.make(ends, syn.sequence, announced, tcp.now);
    header.acknowledgment = (syn.sequence + 1) | 0;
    header.flags = TcpFlag.SYN | TcpFlag.ACK;
    header.window = Math.min(0xffff, this.openings.receiveWindow(options));
    const largest = link.mtuOf(destination.family) - overhead;
    header.maximumSegmentSize = Math.min(0xffff, largest, options.maximumSegmentSize || largest);
    if (syn.hasTimestamp && offered & TcpConstantFlag.TIMESTAMP_ENABLED) {
      const scales = syn.windowScale >= 0 && (offered & TcpConstantFlag.WINDOW_SCALING_ENABLED) !== 0;
      const offset = this.openings.timestampOffset(destination, syn.destinationPort, source, syn.sourcePort);
      header.sackPermitted = syn.sackPermitted && (offered & TcpConstantFlag.SACK_ENABLED) !== 0;
      header.windowScale = scales ? this.openings.windowScale(options) : -1;
      header.hasTimestamp = true;
      header.timestampEcho = syn.timestampValue;
      const peerScale = scales ? syn.windowScale : -1;
      header.timestampValue = cookieTimestamp((tcp.ticks + offset) | 0, peerScale, header.sackPermitted);
    }
    statistics.synCookiesSent++;
    tcp.statistics.outSegments++;
    this.output.sendAlone(destination, source, header);
  }

  /** The SYN that a cookie in the ACK tells of, valid until the next call; null when there is none. */
  accept(listener: Listener, ip: IpPacket, ack: TcpHeader): TcpHeader | null {
    if (ack.flags & (TcpFlag.SYN | TcpFlag.RST)) return null;
    const { tcp, statistics } = this.core;
    const sequence = (ack.sequence - 1) | 0;
    const cookie = (ack.acknowledgment - 1) | 0;
    const segmentSize = this.cookies.segmentSize(endsOf(ip, ack), sequence, cookie, tcp.now);
    if (segmentSize === 0) {
      statistics.synCookiesRefused++;
      return null;
    }
    const syn = this.header;
    syn.reset();
    syn.sequence = sequence;
    syn.flags = TcpFlag.SYN;
    syn.window = ack.window;
    syn.maximumSegmentSize = segmentSize;
    if (ack.hasTimestamp && offeredFlags(listener.options) & TcpConstantFlag.TIMESTAMP_ENABLED) {
      syn.hasTimestamp = true;
      syn.timestampValue = ack.timestampValue;
      const offset = this.openings.timestampOffset(ip.destination, ack.destinationPort, ip.source, ack.sourcePort);
      const isOurs = ((tcp.ticks + offset - ack.timestampEcho) | 0) >= 0;
      syn.windowScale = isOurs ? cookieWindowScale(ack.timestampEcho) : -1;
      syn.sackPermitted = isOurs && cookieSackPermitted(ack.timestampEcho);
    }
    return syn;
  }
}

function endsOf(ip: IpPacket, header: TcpHeader): CookieEnds {
  return {
    local: ip.destination.bytes,
    localPort: header.destinationPort,
    remote: ip.source.bytes,
    remotePort: header.sourcePort,
  };
}
