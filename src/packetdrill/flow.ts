/** One connection on the wire: how numbers of the script become numbers of the wire, and back. */

/** The offset between two numberings of one thing: `wire = script + offset`, int32. Zero until it is learnt. */
export class Numbering {
  private offset = 0;
  private learnt = false;

  get isKnown(): boolean {
    return this.learnt;
  }

  /** The two numbers mean the same from now on. */
  learn(script: number, wire: number): void {
    this.offset = (wire - script) | 0;
    this.learnt = true;
  }

  toWire(script: number): number {
    return (script + this.offset) | 0;
  }

  toScript(wire: number): number {
    return (wire - this.offset) | 0;
  }
}

/** Ports and numberings of one connection. The peer's numbers stand in the script as they are on the wire. */
export class Flow {
  /** The stack's port; 0 while an active opening has not chosen it. */
  localPort: number;
  readonly remotePort: number;
  /** Sequence numbers of the stack under test. */
  readonly sequence = new Numbering();
  /** Timestamps of the stack under test: the first that it sends is the first that the script expects. */
  readonly timestamp = new Numbering();
  /** What each timestamp that the script expected was on the wire: an echo of it must be that, whatever time it was. */
  private readonly timestamps = new Map<number, number>();
  /** Sequence number (wire) of the stack's SYN, once it was seen. */
  localSyn: number | null = null;

  constructor(localPort: number, remotePort: number) {
    this.localPort = localPort;
    this.remotePort = remotePort;
  }

  /** A timestamp that the script expects has left as `wire`. */
  learnTimestamp(script: number, wire: number): void {
    if (!this.timestamp.isKnown) this.timestamp.learn(script, wire);
    this.timestamps.set(script | 0, wire);
  }

  /** The number that an echo of the script's stands for; zero, which says nothing, is zero unless it was expected. */
  timestampToWire(script: number): number {
    return this.timestamps.get(script | 0) ?? (script === 0 ? 0 : this.timestamp.toWire(script));
  }
}
