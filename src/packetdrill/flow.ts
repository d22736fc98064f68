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
  /** Sequence number (wire) of the stack's SYN, once it was seen. */
  localSyn: number | null = null;
  /** Sequence number (wire) and length of the segment that the stack sent last: what ICMP errors quote by default. */
  lastSequence = 0;
  lastLength = 0;

  constructor(localPort: number, remotePort: number) {
    this.localPort = localPort;
    this.remotePort = remotePort;
  }
}
