/** What every link is: a port that sends and receives Ethernet frames, and what every clocked part is: something stepped. */

/**
 * One end of a link. A frame is a whole Ethernet frame without frame check sequence.
 *
 * Ownership: a frame given to `send` belongs to the link and must not be written to afterwards, unless the link copies
 * frames; a frame given to `onReceive` belongs to the receiver, who may keep it and views into it.
 */
export interface LinkPort {
  /** For people: traces and counters. */
  readonly name: string;
  /** The largest IP packet that a frame may carry, bytes (the Ethernet header not counted). */
  readonly mtu: number;
  /**
   * Called for each frame that arrives. Set by the port's one user; frames that arrive before are dropped. With
   * `checksumValid` the TCP checksum need not be verified, and may be unfinished: somebody else has, or nothing could have
   * damaged the frame. Such a frame may be as long as an IP packet can be, whatever the MTU.
   */
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void;
  /** Whether frames may come with `checksumValid`, and longer than the MTU. Absent: no. */
  readonly receiveOffload?: boolean;
  /** Nobody looks at a frame any more when `send` or `sendSegmented` has returned: its memory is the sender's. Absent: no. */
  readonly copiesFrames?: boolean;
  /** Hands over a frame. Never blocks and never fails: a link that cannot take a frame loses it and counts it. */
  send(frame: Uint8Array): void;
  /** Whether the link completes checksums and cuts segments: whether `sendSegmented` may be called. Absent: no. */
  readonly segmentationOffload?: boolean;
  /**
   * Hands over a frame with one TCP segment whose checksum field holds the partial sum of its pseudo header; the link
   * completes it, and cuts text of more than `segmentSize` bytes into segments of that size, headers and flags as RFC 9293
   * has them. The IP packet may be as long as one can be.
   */
  sendSegmented?(frame: Uint8Array, segmentSize: number): void;
}

/**
 * Something that a clock drives. Times are microseconds of the owner's monotonic clock. The owner calls `advance` when
 * `nextDeadline` is reached, and after he has put anything in; it may be called at any other time as well.
 */
export interface Stepped {
  /** Does everything that is due at `nowMicroseconds`, which never decreases. */
  advance(nowMicroseconds: number): void;
  /** When `advance` has to be called next, in microseconds; `Infinity` when nothing is waiting; a past time means at once. */
  nextDeadline(): number;
}

/** The `onReceive` of a port without a user. */
export function discardFrame(_frame: Uint8Array): void {}
