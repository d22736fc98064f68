/**
 * What a connection begins with and an attacker must not guess: initial sequence number, timestamp offset, source port
 * (spec/decisions.md 22). All are keyed hashes of the connection's addresses and ports, so that they differ between
 * peers and yet move forward from one connection to the next between the same endpoints.
 */
import type { RandomInt32 } from './context.ts';
import { SipHash } from './siphash.ts';

/** Each use of the key hashes a byte of its own first, so that one value says nothing about another. */
const Purpose = { SEQUENCE: 1, TIMESTAMP: 2, PORT: 3 } as const;
type Purpose = (typeof Purpose)[keyof typeof Purpose];

/** Purpose, address length, two addresses, two ports. */
const MAXIMUM_INPUT = 1 + 1 + 16 + 16 + 4;

/**
 * One per stack, with a key drawn once from the stack's source of randomness, which must be cryptographically strong
 * wherever attackers are to be feared. Addresses are 4 or 16 bytes in network order, both of the same family.
 */
export class ConnectionHash {
  private readonly siphash: SipHash;
  private readonly input = new Uint8Array(MAXIMUM_INPUT);

  constructor(random: RandomInt32) {
    this.siphash = new SipHash(random(), random(), random(), random());
  }

  /**
   * ISN = M + F(localip, localport, remoteip, remoteport, secretkey) as int32, where M counts every 4 microseconds (RFC
   * 6528 section 3, RFC 9293 section 3.4.1 MUST-8, SHLD-1); the key never leaves the stack (MUST-9).
   */
  initialSequence(
    localAddress: Uint8Array,
    localPort: number,
    remoteAddress: Uint8Array,
    remotePort: number,
    nowMicroseconds: number,
  ): number {
    const offset = this.hash(Purpose.SEQUENCE, localAddress, localPort, remoteAddress, remotePort);
    return (Math.floor(nowMicroseconds / 4) + offset) | 0;
  }

  /**
   * What a connection adds to the stack's clock for its timestamps, int32: the same for all connections between the same
   * endpoints, so that PAWS and the reuse of TIME-WAIT work across them (RFC 7323 section 5.4 and appendix B.2).
   */
  timestampOffset(localAddress: Uint8Array, localPort: number, remoteAddress: Uint8Array, remotePort: number): number {
    return this.hash(Purpose.TIMESTAMP, localAddress, localPort, remoteAddress, remotePort);
  }

  /**
   * The offset F(local_IP, remote_IP, remote_port, secret_key) of RFC 6056 algorithm 3, 0…2^32 - 1: the port to try is
   * min_ephemeral + (next_ephemeral + offset) mod num_ephemeral, with next_ephemeral counted up for each try.
   */
  portOffset(localAddress: Uint8Array, remoteAddress: Uint8Array, remotePort: number): number {
    return this.hash(Purpose.PORT, localAddress, 0, remoteAddress, remotePort) >>> 0;
  }

  private hash(
    purpose: Purpose,
    localAddress: Uint8Array,
    localPort: number,
    remoteAddress: Uint8Array,
    remotePort: number,
  ): number {
    const { input, siphash } = this;
    const size = localAddress.length;
    input[0] = purpose;
    input[1] = size;
    input.set(localAddress, 2);
    input.set(remoteAddress, 2 + size);
    const ports = 2 + size + remoteAddress.length;
    input[ports] = localPort >>> 8;
    input[ports + 1] = localPort;
    input[ports + 2] = remotePort >>> 8;
    input[ports + 3] = remotePort;
    siphash.hash(input, ports + 4);
    return siphash.low;
  }
}
