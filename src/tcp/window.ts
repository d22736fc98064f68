/** The receive window, and the sizes of segments both ways (RFC 9293 sections 3.7.1 and 3.8.6). */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';
import { allowedCapacity } from './memory-state.ts';
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
  const path = largestSegment(cb);
  cb.sendMss = Math.max(MINIMUM_MSS, Math.min(cb.constant.remoteMss, path) - cb.ipOptionBytes) - options;
  cb.receiveMss = Math.max(MINIMUM_MSS, path) - options;
  cb.segmentLimit = Math.max(
    cb.sendMss,
    Math.min(segmentLimit, 0xffff - cb.headerOverhead - cb.ipOptionBytes - options),
  );
  cb.segmentLimit -= cb.segmentLimit % cb.sendMss;
  if (cb.ipOptionBytes > 0) cb.segmentLimit = cb.sendMss; // no link cuts datagrams with options
}

/** Payload with options of the largest segment that path and user allow, bytes, IP options not counted. */
export function largestSegment(cb: ControlBlock): number {
  const path = cb.pathMtu - cb.headerOverhead;
  return cb.maximumSegmentSize > 0 ? Math.min(path, cb.maximumSegmentSize) : path;
}

/** The largest window that this connection can ever advertise, bytes. */
function windowCapacity(cb: ControlBlock): number {
  return Math.min(cb.cached.initialRcvWnd, 0xffff << windowScale(cb));
}

/** The shift of the windows that we advertise, 0 when scaling was not negotiated (STATE-15; RFC7323-2.3-2). */
function windowScale(cb: ControlBlock): number {
  return cb.constant.flags & TcpConstantFlag.WINDOW_SCALING_ENABLED ? cb.constant.rcvWindScale : 0;
}

/** Bytes by which the right edge of the receive window could move to the right now; may be negative, and 0 for ever (MAY-8). */
function couldOpen(tcp: TcpContext, cb: ControlBlock): number {
  return allowedCapacity(tcp.memoryState, cb, windowCapacity(cb)) - cb.receiveBuffered - cb.delegated.rcvWnd;
}

/** Receiver silly-window avoidance: opening by `bytes` is worth telling (RFC 9293 section 3.8.6.2.2, MUST-39). */
function isUseful(cb: ControlBlock, bytes: number): boolean {
  return bytes > 0 && bytes >= Math.min(cb.cached.initialRcvWnd >> 1, cb.receiveMss);
}

/**
 * The window field for the segment about to leave, and RCV.WND with it: what was offered, or all that is free when that is
 * usefully more.
 *
 * The right edge does not move to the left (SHLD-14, RFC7323-2.4-2): a window that is no multiple of the scale's unit is rounded up.
 * Rounding up again and again would let a peer that sends a few bytes at a time overrun the buffer, so that it ends a
 * sixteenth beyond; from there on the field is rounded down (RFC 7323 section 2.4), and RCV.WND remembers what was offered.
 */
export function advertisedWindow(tcp: TcpContext, cb: ControlBlock): number {
  const d = cb.delegated;
  const scale = windowScale(cb);
  const opening = couldOpen(tcp, cb);
  const free = d.rcvWnd + opening;
  const isWorth =
    isUseful(cb, opening) || (tcp.parameters.offersAllFree && free >= Math.min(windowCapacity(cb) >> 2, cb.receiveMss));
  const target = isWorth ? free : d.rcvWnd;
  const roundedUp = (d.rcvWnd + (1 << scale) - 1) >> scale;
  const slack = Math.max(1 << scale, windowCapacity(cb) >> 4);
  const field = Math.min(0xffff, Math.max(target >> scale, roundedUp << scale < free + slack ? roundedUp : 0));
  d.rcvWnd = Math.max(d.rcvWnd, field << scale);
  return field;
}

/** Offers all that is free, however little that is more than before: the host asked for it (UPD-13). */
export function openWindow(tcp: TcpContext, cb: ControlBlock): void {
  const opening = couldOpen(tcp, cb);
  if (opening > 0) cb.delegated.rcvWnd += opening;
}

/** Whether the window has opened enough since the last ACK that the peer should hear of it at once. */
export function wantsWindowUpdate(tcp: TcpContext, cb: ControlBlock): boolean {
  const opening = couldOpen(tcp, cb);
  if (opening <= 0) return false;
  return opening >= Math.min(cb.cached.initialRcvWnd >> 1, 2 * cb.receiveMss) && opening >= cb.delegated.rcvWnd >> 2;
}

/** Whether the peer may be waiting for an opening that is useful but not worth a segment at once (TMR-SWS-03). */
export function wantsLateWindowUpdate(tcp: TcpContext, cb: ControlBlock): boolean {
  return cb.delegated.rcvWnd < windowCapacity(cb) >> 2 && isUseful(cb, couldOpen(tcp, cb));
}
