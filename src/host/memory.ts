/**
 * The memory that the connections of a stack take for their buffers, against a limit: unread and unacknowledged bytes,
 * bytes received behind a gap, segments that are held, each with what it costs to keep it. Established connections are
 * never reset for it, unless their applications have left them.
 */
import { MemoryState } from '../tcp/index.ts';
import type { Connection } from './connection.ts';
import type { HostCore } from './core.ts';

/** What it costs to keep a piece of data beside its bytes: the view, its place in a queue, the header before it. */
export const PIECE_OVERHEAD = 256;

/** Parts of the limit at which a state begins: pressure, exhausted, overrun. */
const BEGINNINGS = [0, 0.75, 1, 1.25] as const;

/** A state ends below this part of its beginning, so that it does not come and go with every segment. */
const END = 7 / 8;

/** What `send` takes at most while nothing is left, bytes. */
const SEND_LIMIT_EXHAUSTED = 4096;

export class HostMemory {
  private readonly core: HostCore;
  private readonly limit: number;
  private readonly changed: (previous: MemoryState) => void;
  private bytes = 0;

  /**
   * @param limit bytes
   * @param changed the state of `core.tcp.memoryState` is another one; called from within processing
   */
  constructor(core: HostCore, limit: number, changed: (previous: MemoryState) => void) {
    this.core = core;
    this.limit = limit;
    this.changed = changed;
  }

  /** Bytes in use. */
  get used(): number {
    return this.bytes;
  }

  /** What `send` may take, given what the connection may have otherwise; bytes. */
  sendLimit(limit: number): number {
    return this.core.tcp.memoryState < MemoryState.EXHAUSTED ? limit : Math.min(limit, SEND_LIMIT_EXHAUSTED);
  }

  /** Takes note of what a connection has in its buffers now. */
  account(connection: Connection): void {
    const bytes = connection.isClosed ? 0 : footprintOf(connection);
    const difference = bytes - connection.accounted;
    if (difference === 0) return;
    connection.accounted = bytes;
    this.bytes += difference;
    this.update();
  }

  private update(): void {
    const { tcp } = this.core;
    const previous = tcp.memoryState;
    let state: number = previous;
    while (state < MemoryState.OVERRUN && this.bytes >= BEGINNINGS[state + 1] * this.limit) state++;
    while (state > MemoryState.NORMAL && this.bytes < BEGINNINGS[state] * END * this.limit) state--;
    if (state === previous) return;
    tcp.memoryState = state as MemoryState;
    if (previous < MemoryState.PRESSURE) this.core.statistics.memoryPressures++;
    if (previous < MemoryState.EXHAUSTED && state >= MemoryState.EXHAUSTED) this.core.statistics.memoryExhaustions++;
    this.changed(previous);
  }
}

/** Bytes that the host keeps for a connection, in whoever's hands it is. */
function footprintOf(connection: Connection): number {
  const { ownership, received, unsent } = connection;
  let bytes = connection.sendBufferedBytes + received.length;
  let pieces = received.pieces + (unsent === null ? 0 : unsent.length);
  switch (ownership?.owner) {
    case 'host':
    case 'offloading': {
      const { sendQueue, reassembly } = ownership.cb;
      pieces += sendQueue.pieces;
      if (reassembly !== null) {
        bytes += reassembly.bytes;
        pieces += reassembly.pieceCount;
      }
      break;
    }
    case 'offloaded':
    case 'uploading':
      pieces += ownership.io.pieces;
      break;
    default:
  }
  if (ownership?.owner === 'offloading' || ownership?.owner === 'uploading') bytes += ownership.held.memory;
  return bytes + pieces * PIECE_OVERHEAD;
}
