/** The receive window, and the sizes of segments both ways (RFC 9293 sections 3.7.1 and 3.8.6). */
import type { ControlBlock } from './control-block.ts';
import { TcpConstantFlag } from './variables.ts';

/** Bytes of the timestamps option with its padding: present in every segment once negotiated (RFC 7323 section 3.2). */
const TIMESTAMP_OPTION_BYTES = 12;

/** Smallest segment size that we accept from a peer's MSS option or a path MTU: less only serves an attacker. */
const MINIMUM_MSS = 48;

/**
 * Derives the segment sizes from what the peer announced, the path MTU and the options of every segment (RFC 9293
 * section 3.7.1, MUST-16; STATE-18). `segmentation` says that the owner's link splits larger payloads itself.
 */
export function updateSegmentSizes(cb: ControlBlock, segmentLimit: number): void {
  const options = cb.constant.flags & TcpConstantFlag.TIMESTAMP_ENABLED ? TIMESTAMP_OPTION_BYTES : 0;
  const path = cb.pathMtu - cb.headerOverhead;
  cb.sendMss = Math.max(MINIMUM_MSS, Math.min(cb.constant.remoteMss, path)) - options;
  cb.receiveMss = Math.max(MINIMUM_MSS, path) - options;
  cb.segmentLimit = Math.max(cb.sendMss, Math.min(segmentLimit, 0xffff - cb.headerOverhead - options));
  cb.segmentLimit -= cb.segmentLimit % cb.sendMss;
}

/** The largest window that this connection can ever advertise, bytes. */
function windowCapacity(cb: ControlBlock): number {
  return Math.min(cb.cached.initialRcvWnd, 0xffff << windowScale(cb));
}

/** The shift of the windows that we advertise, 0 when scaling was not negotiated (STATE-15). */
function windowScale(cb: ControlBlock): number {
  return cb.constant.flags & TcpConstantFlag.WINDOW_SCALING_ENABLED ? cb.constant.rcvWindScale : 0;
}

/**
 * The window field for the segment about to leave, and RCV.WND with it.
 *
 * The right edge never moves left (SHLD-14); it moves right only by a useful amount (receiver silly-window avoidance,
 * section 3.8.6.2.2). Rounding to the window scale rounds up where rounding down would shrink the window.
 */
export function advertisedWindow(cb: ControlBlock): number {
  const d = cb.delegated;
  const scale = windowScale(cb);
  let window = d.rcvWnd;
  const free = windowCapacity(cb) - cb.receiveBuffered;
  if (free - window >= Math.min(cb.cached.initialRcvWnd >> 1, cb.receiveMss)) window = free;
  const field = Math.min(0xffff, Math.max(window >> scale, Math.ceil(d.rcvWnd / (1 << scale))));
  d.rcvWnd = field << scale;
  return field;
}

/** Whether the window has opened enough since the last ACK that the peer should hear of it at once. */
export function wantsWindowUpdate(cb: ControlBlock): boolean {
  const opened = windowCapacity(cb) - cb.receiveBuffered - cb.delegated.rcvWnd;
  if (opened <= 0) return false;
  return opened >= Math.min(cb.cached.initialRcvWnd >> 1, 2 * cb.receiveMss) && opened >= cb.delegated.rcvWnd >> 2;
}
