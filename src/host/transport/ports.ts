/**
 * Ephemeral ports by RFC 6056 section 3.3.3 (algorithm 3): a keyed hash of the destination says where the search
 * starts, and a counter moves it on, so that ports towards one peer ascend and ports towards others say nothing about it.
 */
import type { IpAddress } from '../../wire/index.ts';

/** The dynamic ports of RFC 6335 section 6. */
export const EPHEMERAL_FIRST = 49152;
export const EPHEMERAL_COUNT = 65536 - EPHEMERAL_FIRST;

/** A keyed hash of a destination, uint32 or int32 (RFC 6056: F(local IP, remote IP, remote port, secret key)). */
export type PortOffset = (remote: IpAddress, remotePort: number) => number;

export class EphemeralPorts {
  private readonly offset: PortOffset;
  private next: number;

  /** @param start int32 from the random source: where the counter begins. */
  constructor(offset: PortOffset, start: number) {
    this.offset = offset;
    this.next = start >>> 0;
  }

  /** A port that `isFree` accepts for this destination; 0 when all are taken. */
  pick(remote: IpAddress, remotePort: number, isFree: (port: number) => boolean): number {
    const offset = this.offset(remote, remotePort) >>> 0;
    for (let attempt = 0; attempt < EPHEMERAL_COUNT; attempt++) {
      // An int32: a double would make the fields that it is stored in doubles, for all connections.
      const port = EPHEMERAL_FIRST + (((offset + this.next) % EPHEMERAL_COUNT) | 0);
      this.next = (this.next + 1) >>> 0;
      if (isFree(port)) return port;
    }
    return 0;
  }
}
