/** Calls that move bytes: reading, writing, sendfile, splice. Each is an attempt that is repeated while it blocks. */
import type { Attempt } from './calls.ts';
import type { OpenFile, PipeEnd } from './files.ts';
import type { Expression } from './script.ts';
import { failure, type Outcome, success, type TcpSocket } from './socket.ts';
import { type Arguments, constant } from './values.ts';

const MSG_PEEK = constant('MSG_PEEK') ?? 0;
const MSG_DONTWAIT = constant('MSG_DONTWAIT') ?? 0;
const MSG_WAITALL = constant('MSG_WAITALL') ?? 0;
const MSG_MORE = constant('MSG_MORE') ?? 0;
const MSG_OOB = constant('MSG_OOB') ?? 0;
const MSG_ERRQUEUE = constant('MSG_ERRQUEUE') ?? 0;
const MSG_FASTOPEN = constant('MSG_FASTOPEN') ?? 0;
const SPLICE_F_NONBLOCK = constant('SPLICE_F_NONBLOCK') ?? 0;

/** Reads at most `length` bytes. */
export function receiveAttempt(socket: TcpSocket, length: number, flags: number): Attempt {
  let taken = 0;
  return () => {
    // Nothing is put into the error queue: neither timestamps nor completions.
    if (flags & MSG_ERRQUEUE) return failure('EAGAIN');
    const { connection } = socket;
    if (connection === null) return failure('ENOTCONN');
    if (flags & MSG_PEEK && connection.unreadBytes > 0) return success(Math.min(length, connection.unreadBytes));
    for (let chunk = connection.read(length - taken); chunk !== null; chunk = connection.read(length - taken)) {
      taken += chunk.length;
    }
    if (taken > 0 && (taken === length || !(flags & MSG_WAITALL))) return success(taken);
    if (socket.error !== null && taken === 0) return failure(socket.takeError() ?? '');
    if (!socket.isConnected && !socket.isOver) return notConnected(socket, flags);
    if (socket.atEnd || length === 0) return success(taken);
    return isNonBlocking(socket, flags) ? (taken > 0 ? success(taken) : failure('EAGAIN')) : null;
  };
}

/** Writes `bytes`, as much at a time as the buffer takes. */
export function sendAttempt(socket: TcpSocket, bytes: Uint8Array, flags: number, resetErrorOnWrite: boolean): Attempt {
  let sent = 0;
  return () => {
    const { connection } = socket;
    if (flags & MSG_FASTOPEN) return failure('EOPNOTSUPP');
    if (connection === null) return failure(socket.habits.writeUnconnected);
    if (resetErrorOnWrite && socket.error !== null) return failure(socket.takeError() ?? '');
    if (socket.writeShut || socket.isOver) return failure('EPIPE');
    if (!socket.isConnected) return notConnected(socket, flags);
    const length = Math.min(bytes.length - sent, socket.sendRoom);
    if (length > 0) {
      const part = bytes.subarray(sent, sent + length);
      if (flags & MSG_OOB) connection.sendUrgent(part);
      else socket.push(part, (flags & MSG_MORE) !== 0);
    }
    sent += length;
    if (sent === bytes.length) return success(sent);
    if (!isNonBlocking(socket, flags)) return null;
    return sent > 0 ? success(sent) : failure('EAGAIN');
  };
}

function notConnected(socket: TcpSocket, flags: number): Outcome | null {
  if (socket.habits.beforeConnection === 'ENOTCONN') return failure('ENOTCONN');
  return isNonBlocking(socket, flags) ? failure('EAGAIN') : null;
}

function isNonBlocking(socket: TcpSocket, flags: number): boolean {
  return socket.nonBlocking || (flags & MSG_DONTWAIT) !== 0;
}

/** splice(in, NULL, out, NULL, length, flags): one of the two is a pipe. */
export function spliceAttempt(
  from: TcpSocket | PipeEnd | OpenFile,
  to: TcpSocket | PipeEnd | OpenFile,
  length: number,
  flags: number,
  resetErrorOnWrite: boolean,
): Attempt {
  if (from.kind !== 'pipe' && to.kind === 'pipe') {
    if (from.kind === 'file') return () => filled(to, length);
    const receive = receiveAttempt(from, length, flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0);
    return () => {
      const outcome = receive();
      return outcome === null || outcome.value <= 0 ? outcome : filled(to, outcome.value);
    };
  }
  if (from.kind !== 'pipe' || to.kind !== 'socket') return () => failure('EINVAL');
  let send: Attempt | null = null;
  return () => {
    const bytes = Math.min(length, from.contents.bytes);
    if (send === null && bytes === 0) return success(0);
    send ??= sendAttempt(to, new Uint8Array(bytes), 0, resetErrorOnWrite);
    const outcome = send();
    if (outcome !== null && outcome.value > 0) from.contents.bytes -= outcome.value;
    return outcome;
  };
}

function filled(pipe: PipeEnd, bytes: number): Outcome {
  pipe.contents.bytes += bytes;
  return success(bytes);
}

/** The bytes of write and send: a string, or zeros. */
export function dataOf(args: Arguments, index: number, lengthIndex: number): Uint8Array {
  const bytes = new Uint8Array(args.bytes(lengthIndex));
  const source = args.at(index);
  if (source.kind !== 'string') return bytes;
  for (let i = 0; i < Math.min(bytes.length, source.value.length); i++) bytes[i] = source.value.charCodeAt(i);
  return bytes;
}

/** Bytes of all vectors of `[{..., 1000}, {..., 500}]`. */
export function vectorLength(args: Arguments, vectors: Expression): number {
  if (vectors.kind !== 'list') return args.fail('takes a list of vectors, as [{..., 1000}]');
  let length = 0;
  for (const vector of vectors.items) {
    if (vector.kind !== 'struct') return args.fail('takes vectors such as {..., 1000}');
    const last = args.member(vector, 'iov_len') ?? vector.entries.at(-1)?.value;
    if (last === undefined) return args.fail('is given an empty vector');
    length += args.numberOf(last);
  }
  return args.boundedBytes(length);
}

/** Bytes of all vectors of a message. */
export function messageLength(args: Arguments): number {
  const vectors = args.member(args.at(1), 'msg_iov');
  return vectors === null ? args.fail('takes a message with msg_iov') : vectorLength(args, vectors);
}
