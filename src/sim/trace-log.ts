/** What happened in a simulation: a hash of all of it, and the last part of it for people. */
import { describeFrame } from '../wire/index.ts';

/** Entries that are kept. */
const KEPT = 600;
/** Bytes of a frame that go into the hash: all headers, and some payload. */
const HASHED_BYTES = 80;

interface Entry {
  readonly time: number;
  readonly text: string;
  /** Described only when somebody reads it; not copied, because frames are not changed after they were sent. */
  readonly frame: Uint8Array | null;
}

export class TraceLog {
  /** FNV-1a of every event so far, int32. */
  hash = 0x811c_9dc5 | 0;
  /** Events so far. */
  events = 0;
  private readonly entries: (Entry | null)[] = new Array<Entry | null>(KEPT).fill(null);
  private readonly listener: ((line: string) => void) | null;

  /** @param listener gets every line at once, or null */
  constructor(listener: ((line: string) => void) | null) {
    this.listener = listener;
  }

  /** An event other than a frame. */
  note(time: number, text: string): void {
    for (let index = 0; index < text.length; index += 1) this.mix(text.charCodeAt(index));
    this.add({ time, text, frame: null });
  }

  /** A frame that was sent. */
  frame(time: number, text: string, frame: Uint8Array): void {
    this.mix(frame.length);
    const length = Math.min(frame.length, HASHED_BYTES);
    for (let index = 0; index < length; index += 1) this.mix(frame[index]);
    this.add({ time, text, frame });
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    const lines: string[] = [];
    for (let index = 0; index < KEPT; index += 1) {
      const entry = this.entries[(this.events + index) % KEPT];
      if (entry !== null) lines.push(line(entry));
    }
    return lines;
  }

  private add(entry: Entry): void {
    this.mix(entry.time);
    this.entries[this.events % KEPT] = entry;
    this.events += 1;
    this.listener?.(line(entry));
  }

  private mix(value: number): void {
    this.hash = Math.imul(this.hash ^ value, 0x0100_0193);
  }
}

function line({ time, text, frame }: Entry): string {
  const seconds = (time / 1e6).toFixed(6).padStart(12);
  return frame === null ? `${seconds} ${text}` : `${seconds} ${text} ${describeFrame(frame)}`;
}
