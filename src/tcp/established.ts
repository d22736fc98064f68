/** Options agreed in the handshake, and the entry into ESTABLISHED. */
import type { TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { resetKeepAlive, stopRetransmitTimer } from './deadlines.ts';
import { Disposition } from './disposition.ts';
import { ecnEstablished } from './ecn.ts';
import { initialWindow } from './output.ts';
import { measureRoundTrip } from './round-trip.ts';
import { TcpState } from './state.ts';
import { TcpCachedState, TcpConstantFlag } from './variables.ts';
import { largestSegment, updateSegmentSizes } from './window.ts';

/** `ControlBlock.headerOverhead` of IPv4. */
const IPV4_OVERHEAD = 40;

/**
 * MSS of a peer that announces none: 576 - 40, or 1280 - 60 over IPv6 (RFC 9293 section 3.7.1, MUST-15).
 *
 * @param headerOverhead as `ControlBlock.headerOverhead`
 */
export function defaultRemoteMss(headerOverhead: number): number {
  return (headerOverhead === IPV4_OVERHEAD ? 576 : 1280) - headerOverhead;
}

/**
 * Keeps of what we offered, or would accept (`cb.constant.flags`), what the peer's SYN has as well: RFC 7323 sections
 * 1.3, 2.2 and 3.2 (RFC7323-2.2-2), RFC 2018 section 2. Other segments agree on nothing (RFC7323-2.2-1). From here on the constant class does not change.
 */
export function agreeOnOptions(tcp: TcpContext, cb: ControlBlock, syn: TcpHeader): void {
  const c = cb.constant;
  const announced = syn.maximumSegmentSize === 0 ? defaultRemoteMss(cb.headerOverhead) : syn.maximumSegmentSize;
  // What the user wants smaller travels with the connection as if the peer had asked for it.
  c.remoteMss = cb.maximumSegmentSize > 0 ? Math.min(announced, cb.maximumSegmentSize) : announced;
  if (syn.windowScale < 0) {
    c.flags &= ~TcpConstantFlag.WINDOW_SCALING_ENABLED;
    c.sndWindScale = 0;
    c.rcvWindScale = 0;
  } else if (c.flags & TcpConstantFlag.WINDOW_SCALING_ENABLED) {
    c.sndWindScale = syn.windowScale;
  }
  if (!syn.sackPermitted) c.flags &= ~TcpConstantFlag.SACK_ENABLED;
  if (!syn.hasTimestamp) {
    c.flags &= ~TcpConstantFlag.TIMESTAMP_ENABLED;
  } else if (c.flags & TcpConstantFlag.TIMESTAMP_ENABLED) {
    cb.delegated.tsRecent = syn.timestampValue;
    cb.tsRecentSetAt = tcp.ticks;
  }
  updateSegmentSizes(cb, tcp.parameters.maximumSegmentPayload);
  if (tcp.parameters.roundsReceiveBuffer) roundReceiveBuffer(tcp, cb);
}

/** The receive buffer becomes a whole number of the largest segments that both ends announced. */
function roundReceiveBuffer(tcp: TcpContext, cb: ControlBlock): void {
  const segment = Math.min(cb.constant.remoteMss, largestSegment(cb));
  const cached = Object.assign(new TcpCachedState(), cb.cached);
  if (segment <= 0 || cached.initialRcvWnd <= segment) return;
  cached.initialRcvWnd = Math.ceil(cached.initialRcvWnd / segment) * segment;
  cb.cached = tcp.cachedStates.share(cached);
}

/** The peer acknowledged our SYN with `header`: round-trip sample, windows, state (RFC 9293 section 3.10.7.3 and .4). */
export function enterEstablished(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): void {
  const d = cb.delegated;
  stopRetransmitTimer(cb);
  measureRoundTrip(tcp, cb, header);
  cb.timing = false;
  d.sndUna = (cb.iss + 1) | 0;
  d.sndNxt = d.sndMax;
  d.sendWl1 = header.sequence;
  // RFC 6928 section 2; after lost SYNs the window is one segment (RFC5681-3.1-4). It is set here, so that the handshake adds
  // nothing to it (RFC5681-3.1-3).
  d.cWnd = cb.synRetransmissions > 1 ? cb.sendMss : initialWindow(tcp, cb);
  d.retransmit.count = 0;
  d.state = cb.closeRequested ? TcpState.FIN_WAIT_1 : TcpState.ESTABLISHED;
  cb.lastSendAt = tcp.now;
  cb.smallEnd = d.sndUna;
  cb.disposition |= Disposition.ESTABLISHED;
  ecnEstablished(cb);
  resetKeepAlive(tcp, cb);
}
