/** Segment arrival in SYN-SENT: RFC 9293 section 3.10.7.3, with simultaneous open. */
import { TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { enterClosed } from './deadlines.ts';
import { Disposition } from './disposition.ts';
import { agreeOnEcnActive } from './ecn.ts';
import { agreeOnOptions, enterEstablished } from './established.ts';
import { after, atOrBefore } from './sequence.ts';
import { TcpState } from './state.ts';
import { sendReset, sendSyn } from './transmit.ts';
import { TcpConstantFlag } from './variables.ts';

/** SYN-SENT: the ACK bit first, then RST, then SYN. Answers whether the connection is established. */
export function synSentArrives(tcp: TcpContext, cb: ControlBlock, header: TcpHeader): boolean {
  const d = cb.delegated;
  const hasAck = (header.flags & TcpFlag.ACK) !== 0;
  if (hasAck && (atOrBefore(header.acknowledgment, cb.iss) || after(header.acknowledgment, d.sndMax))) {
    if (!(header.flags & TcpFlag.RST)) sendReset(tcp, cb, header.acknowledgment, false);
    return false;
  }
  if (header.flags & TcpFlag.RST) {
    // RFC 5961 section 3.2: only a reset that acknowledges our SYN is believed (RFC5961-3.2-4).
    if (!hasAck) return false;
    tcp.statistics.attemptFails++;
    enterClosed(tcp, cb);
    cb.disposition |= Disposition.REFUSED;
    return false;
  }
  if (!(header.flags & TcpFlag.SYN)) return false;

  d.rcvNxt = (header.sequence + 1) | 0;
  cb.lastAckSent = d.rcvNxt;
  agreeOnOptions(tcp, cb, header);
  agreeOnEcnActive(cb, header);
  d.rcvWnd = Math.min(cb.cached.initialRcvWnd, 0xffff);
  // The window of a SYN is not scaled (RFC7323-2.2-3).
  d.sndWnd = header.window;
  d.maxSndWnd = header.window;
  if (hasAck) {
    enterEstablished(tcp, cb, header);
    cb.disposition |= Disposition.ACCEPTED | Disposition.FORWARD_PROGRESS;
    cb.ackNow = true;
    return true;
  }
  // Simultaneous open (section 3.5, figure 7, MUST-10): our SYN again, now with ACK.
  d.sendWl1 = header.sequence;
  d.state = TcpState.SYN_RECEIVED;
  if (!(cb.constant.flags & TcpConstantFlag.WINDOW_SCALING_ENABLED)) cb.constant.rcvWindScale = 0;
  sendSyn(tcp, cb);
  return false;
}
