/**
 * One end of a connection that sends, receives and closes by a plan. The same code runs at both ends: on the sockets of
 * `node:net` in a process of its own, and on those of chimney/net in the tests. Plain JavaScript, for Node runs it as it is.
 */
import { createCipheriv, createHash } from 'node:crypto';

/** Bytes given to one `write`. */
const CHUNK_BYTES = 48 * 1024;

/** Pause between two bytes of an end that has not heard yet that it was reset, milliseconds. */
const PROBE_MILLISECONDS = 50;

/** `length` bytes that no bug makes by accident; the same at both ends for the same seed, a whole number. */
export function bytesOf(seed, length) {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

export class ConnectionEnd {
  #socket;
  #plan;
  #tell;
  #toSend;
  #written = 0;
  #received = 0;
  #hash = createHash('sha256');
  #ended = false;
  #error = null;
  #isDone = false;

  /**
   * @param socket open, or about to be; half-open connections allowed
   * @param plan what to do
   * @param tell told once that the connection is `open`, and that this end is `ready` to close and waits for `go`
   */
  constructor(socket, plan, tell) {
    this.#socket = socket;
    this.#plan = plan;
    this.#tell = tell;
    this.#toSend = bytesOf(plan.seed, plan.sends);
    /** Resolves when the peer's stream has ended. */
    this.ended = new Promise((resolve) => socket.once('end', resolve));
    /** Resolves to the outcome when the socket has closed. */
    this.done = new Promise((resolve) => socket.once('close', () => resolve(this.#outcome())));
    socket.on('data', (bytes) => {
      this.#hash.update(bytes);
      this.#received += bytes.length;
      this.#next();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#next();
    });
    socket.on('error', ({ code }) => {
      this.#error = code;
    });
    if (socket.connecting) socket.once('connect', () => tell('open'));
    else tell('open');
    this.#write(plan.closing === 'rest-after-fin' ? plan.sends >>> 1 : plan.sends);
    this.#next();
  }

  /** Closes or resets an end that is `ready`; lets one that the peer has reset find that out. */
  go() {
    if (this.#plan.closing === 'together') this.#socket.end();
    if (this.#plan.closing === 'aborts') this.#socket.resetAndDestroy();
    if (this.#plan.closing === 'is-aborted') this.#probe();
  }

  /** Writes up to the byte `limit` of what is to be sent, piece by piece. */
  #write(limit) {
    if (this.#written >= limit) return;
    const piece = this.#toSend.subarray(this.#written, Math.min(limit, this.#written + CHUNK_BYTES));
    this.#socket.write(piece, (error) => {
      if (error) return;
      this.#written += piece.length;
      this.#write(limit);
      this.#next();
    });
  }

  /** Closes when the plan says so. */
  #next() {
    if (this.#isDone) return;
    const { sends, receives, closing } = this.#plan;
    const isSent = this.#written === sends;
    const isAll = isSent && this.#received >= receives;
    switch (closing) {
      case 'first':
        if (isAll) this.#finish(() => this.#socket.end());
        break;
      case 'second':
        if (isSent && this.#ended) this.#finish(() => this.#socket.end());
        break;
      case 'together':
        if (isAll) this.#finish(() => this.#tell('ready'));
        break;
      case 'fin-at-once':
        if (isSent) this.#finish(() => this.#socket.end());
        break;
      case 'rest-after-fin':
        if (this.#ended && this.#written === sends >>> 1) this.#write(sends);
        if (this.#ended && isSent) this.#finish(() => this.#socket.end());
        break;
      case 'aborts':
        if (this.#written >= sends / 2 && this.#received >= receives / 2) this.#finish(() => this.#waitWithUnread());
        break;
      case 'is-aborted':
        break;
    }
  }

  #finish(action) {
    this.#isDone = true;
    action();
  }

  #waitWithUnread() {
    this.#socket.pause();
    this.#tell('ready');
  }

  /** Nobody repeats a lost RST: who still sends is told again. */
  #probe() {
    if (this.#socket.destroyed) return;
    this.#socket.write('?');
    setTimeout(() => this.#probe(), PROBE_MILLISECONDS);
  }

  #outcome() {
    return { received: this.#received, sha256: this.#hash.digest('hex'), ended: this.#ended, error: this.#error };
  }
}
