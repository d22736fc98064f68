/**
 * The bytes that an application has queued and the peer has not acknowledged: SND.UNA is offset 0 (RFC 9293 section
 * 3.3.1, the retransmission queue and the unsent data in one).
 */

/** Slots of a queue that holds something: most hold one chunk, or two. */
const MINIMUM_CAPACITY = 2;

/** Storage of every empty queue, never written: a connection that stands still has none of its own. */
const NO_SLOTS: (Uint8Array | null)[] = [];
const NO_POSITIONS: number[] = [];

/** Ranges up to this long are copied by a loop: cheaper than making the view that `set` needs. */
const LOOP_COPY_LIMIT = 32;

/**
 * A ring of chunks, held by reference. Each chunk knows its position in the stream as a wrapping int32, so that
 * releasing never renumbers. The caller must not change a chunk before `release` has passed its last byte.
 *
 * Bookkeeping is one slot per chunk; `append` and `release` are amortised O(1), `copyTo` is O(1) for sequential access
 * and O(log chunks) for any other. Structurally a `PayloadSource` of the wire room.
 */
export class SendQueue {
  /** Bytes from SND.UNA to the end of what is queued. Read only for everyone else. */
  length = 0;

  /** Ring storage; a power of two long, or of no length. */
  private slots = NO_SLOTS;
  /** Stream position of the first byte of the chunk in the same slot; the first chunk's may lie before `base`. */
  private positions = NO_POSITIONS;
  private head = 0;
  private count = 0;
  /** Stream position of offset 0. */
  private base = 0;
  /** Stream position after the last byte. */
  private end = 0;
  /** Chunk, counted from `head`, where the last copy ended. */
  private cursor = 0;

  /** Pieces in which the bytes are kept. */
  get pieces(): number {
    return this.count;
  }

  /**
   * Queues bytes behind all others, by reference; empty chunks are ignored. A `RangeError` when more than 2^31 - 1 bytes
   * would be queued: sequence space ends there, and owners limit a send backlog long before.
   */
  append(bytes: Uint8Array): void {
    const size = bytes.length;
    if (size === 0) return;
    if (this.length + size > 0x7fffffff) {
      throw new RangeError(`a send queue holds at most 2^31 - 1 bytes, not ${this.length + size}`);
    }
    if (this.count === this.slots.length) this.resize(Math.max(MINIMUM_CAPACITY, this.count * 2));
    const slot = (this.head + this.count) & (this.slots.length - 1);
    this.slots[slot] = bytes;
    this.positions[slot] = this.end;
    this.count += 1;
    this.end = (this.end + size) | 0;
    this.length += size;
  }

  /** Drops the first `count` bytes (acknowledged) and every chunk that ends with them. More than `length` drops all. */
  release(count: number): void {
    if (count <= 0) return;
    if (count >= this.length) {
      this.clear();
      return;
    }
    this.base = (this.base + count) | 0;
    this.length -= count;
    const mask = this.slots.length - 1;
    let released = 0;
    while (released + 1 < this.count) {
      const next = (this.head + released + 1) & mask;
      if (((this.positions[next] - this.base) | 0) > 0) break;
      this.slots[(this.head + released) & mask] = null;
      released += 1;
    }
    if (released === 0) return;
    this.head = (this.head + released) & mask;
    this.count -= released;
    this.cursor = this.cursor > released ? this.cursor - released : 0;
    if (this.slots.length > MINIMUM_CAPACITY && this.count * 4 <= this.slots.length) this.resize(this.slots.length / 2);
  }

  /**
   * Copies `length` bytes from `offset` (0 is SND.UNA) into `target` at `targetOffset`. A `RangeError` when the range is
   * not queued or does not fit into the target.
   */
  copyTo(offset: number, length: number, target: Uint8Array, targetOffset: number): void {
    if (length <= 0) return;
    if (offset < 0 || offset + length > this.length) {
      throw new RangeError(`bytes ${offset}…${offset + length} of a send queue of ${this.length} bytes`);
    }
    if (targetOffset < 0 || targetOffset + length > target.length) {
      throw new RangeError(`${length} bytes at ${targetOffset} of a target of ${target.length} bytes`);
    }
    const mask = this.slots.length - 1;
    let position = (this.base + offset) | 0;
    let index = this.find(position);
    let written = targetOffset;
    const writtenEnd = targetOffset + length;
    for (;;) {
      const slot = (this.head + index) & mask;
      const within = (position - this.positions[slot]) | 0;
      const available = (this.endOf(index) - position) | 0;
      const taken = Math.min(available, writtenEnd - written);
      copyRange(this.slots[slot] as Uint8Array, within, taken, target, written);
      written += taken;
      if (written === writtenEnd) break;
      position = (position + taken) | 0;
      index += 1;
    }
    this.cursor = index;
  }

  /** What is queued as views in order, the first one without its released bytes: for a hand-over. No bytes are copied. */
  chunks(): Uint8Array[] {
    const result: Uint8Array[] = [];
    const mask = this.slots.length - 1;
    for (let index = 0; index < this.count; index += 1) {
      const slot = (this.head + index) & mask;
      const chunk = this.slots[slot] as Uint8Array;
      const released = (this.base - this.positions[slot]) | 0;
      result.push(released > 0 ? chunk.subarray(released) : chunk);
    }
    return result;
  }

  /** Drops everything. */
  clear(): void {
    this.slots = NO_SLOTS;
    this.positions = NO_POSITIONS;
    this.head = 0;
    this.count = 0;
    this.base = this.end;
    this.length = 0;
    this.cursor = 0;
  }

  /** Stream position after the last byte of a chunk, counted from `head`. */
  private endOf(index: number): number {
    return index + 1 < this.count ? this.positions[(this.head + index + 1) & (this.slots.length - 1)] : this.end;
  }

  /** The chunk that holds a queued position: the cursor's, the one after it, or by binary search. */
  private find(position: number): number {
    for (let index = this.cursor; index < this.count && index <= this.cursor + 1; index += 1) {
      const start = this.positions[(this.head + index) & (this.slots.length - 1)];
      if (((position - start) | 0) >= 0 && ((this.endOf(index) - position) | 0) > 0) return index;
    }
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const start = this.positions[(this.head + middle) & (this.slots.length - 1)];
      if (((position - start) | 0) >= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Moves the ring into arrays of another power-of-two length, at least `count`. */
  private resize(capacity: number): void {
    // Filled at once: pushing one by one reserves room for a dozen more.
    const slots = new Array<Uint8Array | null>(capacity).fill(null);
    const positions = new Array<number>(capacity).fill(0);
    const mask = this.slots.length - 1;
    for (let index = 0; index < this.count; index += 1) {
      const slot = (this.head + index) & mask;
      slots[index] = this.slots[slot];
      positions[index] = this.positions[slot];
    }
    this.slots = slots;
    this.positions = positions;
    this.head = 0;
  }
}

function copyRange(source: Uint8Array, offset: number, length: number, target: Uint8Array, targetOffset: number): void {
  if (length === source.length) {
    target.set(source, targetOffset);
  } else if (length <= LOOP_COPY_LIMIT) {
    for (let index = 0; index < length; index += 1) target[targetOffset + index] = source[offset + index];
  } else {
    target.set(source.subarray(offset, offset + length), targetOffset);
  }
}
