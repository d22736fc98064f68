/**
 * A hierarchical timing wheel (Varghese and Lauck, 1987): one per owner of connections, however many timers they have.
 * The unit is the tick of the owner's clock (TMR-GEN-02).
 */

/** Bits of the deadline that one level resolves: 32 slots, so that one int32 tells which are occupied. */
const LEVEL_BITS = 5;
const LEVEL_SLOTS = 1 << LEVEL_BITS;
/** Seven levels take the low 32 bits of a tick; the last one has 4 slots and wraps around. */
const LEVELS = 7;
const TOP_LEVEL = LEVELS - 1;
const TOP_SLOTS = 4;

/** Deadlines this far ahead, or farther, wait on a list outside of the levels (24 days at 1000 ticks a second; TMR-GEN-03). */
const RANGE = 0x7fffffff;

const SLOTS = LEVELS * LEVEL_SLOTS;
/** Index of the list of deadlines beyond the range. */
const FAR = SLOTS;
/** Index of the list of entries that were armed for now by their own expiry: they fire at the next advance. */
const LATE = SLOTS + 1;
const UNARMED = -1;

/**
 * What can hang on a wheel: extend it. The links are part of the entry, so that arming allocates nothing. An entry hangs
 * on one wheel at a time; all members but `wheelDeadline` belong to the wheel.
 */
export class WheelEntry {
  /** Tick at which the entry fires; -1 while it is not armed. Read only for everyone but the wheel. */
  wheelDeadline = -1;
  /** The list that holds the entry, -1 for none. */
  wheelSlot = UNARMED;
  /** Ordinal of the advance in which the entry fired last. */
  wheelFired = 0;
  wheelNext: WheelEntry | null = null;
  wheelPrevious: WheelEntry | null = null;
}

/**
 * Deadlines as a number with digits of five bits: an entry hangs on the level of the highest digit in which its deadline
 * differs from the wheel's position, in the slot of that digit, and moves down when the position reaches that slot. All
 * entries of a level are therefore later than all entries of the levels below, and the first occupied slot of the lowest
 * occupied level holds the earliest.
 *
 * `arm` and `cancel` are O(1). `advance` costs at most seven moves per entry, and nothing per tick.
 */
export class TimingWheel {
  /** The tick that `advance` was last told. */
  now: number;
  /** Entries armed. */
  size = 0;

  /** Everything before this tick has fired; equal to `now` except while `advance` runs. */
  private position: number;
  /** First entry of each list; its `wheelPrevious` is the last one. */
  private readonly heads: (WheelEntry | null)[] = new Array<WheelEntry | null>(SLOTS + 2).fill(null);
  /** Which slots of each level are occupied. */
  private readonly occupied = new Int32Array(LEVELS);
  /** No deadline on the list of far ones is before this tick. */
  private earliestFar = Number.POSITIVE_INFINITY;
  /** The earliest deadline if `exact`, else a tick that no deadline is before. */
  private earliest = Number.POSITIVE_INFINITY;
  private exact = true;
  private advances = 0;
  /** Inside of `advance`. */
  private running = false;

  /** A wheel that starts at any tick from 0 to 2^53. */
  constructor(nowTicks: number) {
    this.now = nowTicks;
    this.position = nowTicks;
  }

  /**
   * Lets an entry fire at a tick, instead of the one it was armed for before. A tick that has passed fires at the next
   * `advance`, or in the one that is running.
   */
  arm(entry: WheelEntry, deadlineTicks: number): void {
    if (entry.wheelSlot !== UNARMED) {
      if (entry.wheelDeadline === deadlineTicks) return;
      this.remove(entry);
    }
    entry.wheelDeadline = deadlineTicks;
    this.size += 1;
    if (deadlineTicks <= this.earliest) {
      this.earliest = deadlineTicks;
      this.exact = true;
    }
    // One entry fires once in an advance, so that a timer which keeps arming itself for now cannot keep it from ending.
    const again = this.running && entry.wheelFired === this.advances;
    if (again && deadlineTicks <= this.now) this.link(entry, LATE);
    else this.place(entry);
  }

  /** Takes an entry off the wheel; does nothing when it is not armed. */
  cancel(entry: WheelEntry): void {
    if (entry.wheelSlot === UNARMED) return;
    this.remove(entry);
    entry.wheelDeadline = -1;
  }

  /**
   * Moves the wheel to a tick and calls `expire` for every entry whose deadline is at or before it, in the order of the
   * deadlines; those of one tick, and those that had passed when they were armed, in the order of arming. An entry is not
   * armed any more when `expire` gets it.
   *
   * `expire` may arm and cancel any entry. What it arms for a tick that has come fires in the same advance, except that
   * no entry fires twice in one advance: an entry that fired and is armed for a tick that has come stays due until the
   * next one. A tick before the present one fires what is due and moves nothing. `expire` must not call `advance`.
   */
  advance(nowTicks: number, expire: (entry: WheelEntry) => void): void {
    if (nowTicks > this.now) this.now = nowTicks;
    this.advances += 1;
    this.running = true;
    // Empty, unless the last advance ended with an exception of `expire`.
    this.replaceAll(LATE);
    for (;;) {
      const level = this.lowestLevel();
      const slot = level < 0 ? 0 : this.firstSlot(level);
      const start = level < 0 ? Number.POSITIVE_INFINITY : this.startOf(level, slot);
      if (start <= this.now && start <= this.earliestFar) {
        this.moveTo(start);
        if (level === 0) this.fire(slot, expire);
        else this.replaceAll(level * LEVEL_SLOTS + slot);
      } else if (this.earliestFar <= this.now) {
        this.moveTo(this.earliestFar);
      } else {
        this.moveTo(this.now);
        this.replaceAll(LATE);
        this.running = false;
        return;
      }
    }
  }

  /** The earliest deadline, exact; Infinity when nothing is armed. Before or at `now` when something is due. */
  nextDeadline(): number {
    if (!this.exact) {
      this.earliest = this.findEarliest();
      this.exact = true;
    }
    return this.earliest;
  }

  private findEarliest(): number {
    let earliest = this.minimumOf(LATE);
    const level = this.lowestLevel();
    if (level >= 0) {
      const slot = this.firstSlot(level);
      earliest = Math.min(earliest, this.minimumOf(level * LEVEL_SLOTS + slot));
    }
    return earliest <= this.earliestFar ? earliest : Math.min(earliest, this.minimumOf(FAR));
  }

  private minimumOf(list: number): number {
    const head = this.heads[list];
    if (head === null) return Number.POSITIVE_INFINITY;
    let minimum = head.wheelDeadline;
    // A slot of level 0 is a single tick, except for the present one, which takes those that have passed as well.
    if (list < LEVEL_SLOTS && minimum > this.position) return minimum;
    for (let entry = head.wheelNext; entry !== null && minimum > this.earliest; entry = entry.wheelNext) {
      if (entry.wheelDeadline < minimum) minimum = entry.wheelDeadline;
    }
    return minimum;
  }

  /** Fires the entries of the present tick, and those that are armed for it meanwhile. */
  private fire(slot: number, expire: (entry: WheelEntry) => void): void {
    for (let entry = this.heads[slot]; entry !== null; entry = this.heads[slot]) {
      this.remove(entry);
      entry.wheelDeadline = -1;
      entry.wheelFired = this.advances;
      expire(entry);
    }
  }

  /** Puts an entry where its deadline belongs, seen from the present position. */
  private place(entry: WheelEntry): void {
    const deadline = entry.wheelDeadline;
    if (deadline - this.position >= RANGE) {
      if (deadline < this.earliestFar) this.earliestFar = deadline;
      this.link(entry, FAR);
      return;
    }
    // The low 32 bits: all that differ within the range.
    const at = Math.max(deadline, this.position) | 0;
    const difference = at ^ (this.position | 0);
    const level = difference === 0 ? 0 : ((31 - Math.clz32(difference)) / LEVEL_BITS) | 0;
    const slot = (at >>> (level * LEVEL_BITS)) & (LEVEL_SLOTS - 1);
    this.occupied[level] |= 1 << slot;
    this.link(entry, level * LEVEL_SLOTS + slot);
  }

  /** Places all entries of a list anew, in their order. */
  private replaceAll(list: number): void {
    let entry = this.heads[list];
    this.heads[list] = null;
    if (list < SLOTS) this.occupied[list >>> LEVEL_BITS] &= ~(1 << (list & (LEVEL_SLOTS - 1)));
    while (entry !== null) {
      const next: WheelEntry | null = entry.wheelNext;
      this.place(entry);
      entry = next;
    }
  }

  /** Sets the position, which passes no occupied slot, and moves what has come into the range from the far list to the levels. */
  private moveTo(tick: number): void {
    if (tick > this.position) this.position = tick;
    if (this.earliestFar - this.position >= RANGE) return;
    this.earliestFar = Number.POSITIVE_INFINITY;
    this.replaceAll(FAR);
  }

  private lowestLevel(): number {
    for (let level = 0; level < LEVELS; level += 1) if (this.occupied[level] !== 0) return level;
    return -1;
  }

  /** The first occupied slot of an occupied level at or after the position. Only the top level wraps around. */
  private firstSlot(level: number): number {
    const slots = this.occupied[level];
    if (level < TOP_LEVEL) return 31 - Math.clz32(slots & -slots);
    const present = (this.position | 0) >>> (TOP_LEVEL * LEVEL_BITS);
    let slot = present;
    while ((slots & (1 << slot)) === 0) slot = (slot + 1) & (TOP_SLOTS - 1);
    return slot;
  }

  /** First tick of a slot; on level 0 its only one. */
  private startOf(level: number, slot: number): number {
    const shift = level * LEVEL_BITS;
    const position = this.position | 0;
    // Wrapping subtraction: what the slot is ahead of the position is less than 2^31.
    const start = level === TOP_LEVEL ? slot << shift : (((position >>> shift) & ~(LEVEL_SLOTS - 1)) | slot) << shift;
    return this.position + ((start - position) | 0);
  }

  private link(entry: WheelEntry, list: number): void {
    const head = this.heads[list];
    entry.wheelSlot = list;
    entry.wheelNext = null;
    if (head === null) {
      entry.wheelPrevious = entry;
      this.heads[list] = entry;
      return;
    }
    const last = head.wheelPrevious as WheelEntry;
    last.wheelNext = entry;
    entry.wheelPrevious = last;
    head.wheelPrevious = entry;
  }

  /** Takes an armed entry off its list. */
  private remove(entry: WheelEntry): void {
    const list = entry.wheelSlot;
    const next = entry.wheelNext;
    const previous = entry.wheelPrevious as WheelEntry;
    const head = this.heads[list] as WheelEntry;
    if (entry === head) this.heads[list] = next;
    else previous.wheelNext = next;
    if (next !== null) next.wheelPrevious = previous;
    else if (entry !== head) head.wheelPrevious = previous;
    entry.wheelSlot = UNARMED;
    entry.wheelNext = null;
    entry.wheelPrevious = null;
    this.size -= 1;
    if (this.heads[list] === null && list < SLOTS) {
      this.occupied[list >>> LEVEL_BITS] &= ~(1 << (list & (LEVEL_SLOTS - 1)));
    }
    if (this.size === 0) {
      this.earliest = Number.POSITIVE_INFINITY;
      this.exact = true;
    } else if (entry.wheelDeadline <= this.earliest) {
      this.exact = false;
    }
  }
}
