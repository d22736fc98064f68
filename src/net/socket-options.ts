/** What sockets may be given, and the checks of it. */
import type { BlockList } from 'node:net';
import type { ConnectTarget } from './connecting.ts';
import { invalidArgValue, invalidFdType } from './errors.ts';
import type { Endpoint } from './network.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { validateInt32, validateNumber } from './validate.ts';

/** A buffer that is used again for everything that arrives, instead of `data` events. */
export interface OnReadOptions {
  /** The buffer, or a function that makes one before each use. */
  readonly buffer: Uint8Array | (() => Uint8Array);
  /** Gets the number of bytes and the buffer; false pauses. */
  readonly callback: (bytesWritten: number, buffer: Uint8Array) => boolean | undefined;
}

/** Options of a socket. */
export interface SocketOptions {
  /** Keep the writable half open when the peer closes; the default is false. */
  readonly allowHalfOpen?: boolean;
  /** Bytes that the readable half buffers before the receive window closes; Node's default. */
  readonly highWaterMark?: number;
  readonly readableHighWaterMark?: number;
  readonly writableHighWaterMark?: number;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  /** Milliseconds. */
  readonly keepAliveInitialDelay?: number;
  /** Destroys the socket. */
  readonly signal?: AbortSignal;
  readonly onread?: OnReadOptions;
  /** Addresses that the socket does not connect to: ERR_IP_BLOCKED. */
  readonly blockList?: BlockList;
  readonly readable?: boolean;
  readonly writable?: boolean;
  /** File descriptors cannot be taken: they belong to the kernel. */
  readonly fd?: number;
  /** An accepted connection. @internal */
  readonly handle?: TcpHandle;
  /** @internal */
  readonly pauseOnCreate?: boolean;
}

/** Where to connect to, and how the socket is to be. */
export interface ConnectOptions extends SocketOptions, ConnectTarget {
  /** Named pipes are the kernel's: this is refused. */
  readonly path?: string;
  /** Milliseconds of idleness until `timeout`. */
  readonly timeout?: number;
}

/** What `Socket.address()` answers. */
export type SocketAddress = Endpoint;

/** @throws TypeError, RangeError as `net.Socket` for options that are none */
export function checkOptions(options: SocketOptions): void {
  const modes = options as Readonly<Record<string, unknown>>;
  for (const name of ['objectMode', 'readableObjectMode', 'writableObjectMode']) {
    if (modes[name]) throw invalidArgValue(`options.${name}`, modes[name], 'is not supported');
  }
  if (options.keepAliveInitialDelay !== undefined) {
    validateNumber(options.keepAliveInitialDelay, 'options.keepAliveInitialDelay');
  }
  if (options.fd !== undefined) {
    validateInt32(options.fd, 'fd', 0);
    throw invalidFdType('UNKNOWN');
  }
}

/** Whether `onread` is complete; Node ignores one that is not. */
export function isOnRead(onread: OnReadOptions | undefined): onread is OnReadOptions {
  if (typeof onread !== 'object' || onread === null || typeof onread.callback !== 'function') return false;
  return onread.buffer instanceof Uint8Array || typeof onread.buffer === 'function';
}
