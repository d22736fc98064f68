/** How much of the memory that a stack may take for buffers is in use: the engine offers and takes accordingly. */
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';

export const MemoryState = {
  /** There is enough. */
  NORMAL: 0,
  /** Little is left: windows open no further than a few segments beyond what is buffered. */
  PRESSURE: 1,
  /** Nothing is left: windows close, and text behind a gap is refused. */
  EXHAUSTED: 2,
  /** What was promised before exceeds it: text in order is refused too, but for one segment per connection. */
  OVERRUN: 3,
} as const;
export type MemoryState = (typeof MemoryState)[keyof typeof MemoryState];

/** Segments that a window may offer under pressure. */
const SEGMENTS_UNDER_PRESSURE = 4;

/** The most that may be buffered and offered together at the moment, bytes; `capacity` is what the connection may have. */
export function allowedCapacity(state: MemoryState, cb: ControlBlock, capacity: number): number {
  if (state === MemoryState.NORMAL) return capacity;
  const { receiveBuffered, receiveMss } = cb;
  if (state === MemoryState.PRESSURE) return Math.min(capacity, receiveBuffered + SEGMENTS_UNDER_PRESSURE * receiveMss);
  // One segment for everybody: who reads gets on, and it is his reading that makes room.
  return Math.min(capacity, Math.max(receiveBuffered, receiveMss));
}

/** Whether text that arrives is dropped for want of memory; the peer sends it again. */
export function refusesText(tcp: TcpContext, cb: ControlBlock, sequence: number): boolean {
  if (tcp.memoryState < MemoryState.EXHAUSTED) return false;
  if (sequence !== cb.delegated.rcvNxt) return true;
  return tcp.memoryState === MemoryState.OVERRUN && cb.receiveBuffered >= cb.receiveMss;
}
