/** One HTTP download between two hosts, with the serving connection on the move. */
import { createHash } from 'node:crypto';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { connect, Server, type Socket } from '../net/index.ts';
import { CommandFailure } from './errors.ts';
import { Mover } from './mover.ts';
import type { Network } from './network.ts';
import { SERVER_ADDRESS } from './network.ts';
import type { ByteSource } from './source.ts';

const HTTP_PORT = 80;

/** Bytes given to the socket at a time. */
const SLICE_BYTES = 64 * 1024;

export interface TransferResult {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly sha256Sent: string;
  readonly sha256Received: string;
  /** Bytes of the TCP stream, HTTP headers included, as each end counts them. */
  readonly streamBytesSent: number;
  readonly streamBytesReceived: number;
  readonly mover: Mover;
}

/** What the transfer tells while it runs. */
export interface TransferObserver {
  /** The serving socket, once there is one. */
  serving(socket: Socket, mover: Mover): void;
  progress(bytesReceived: number): void;
}

/** Serves `source` over HTTP from the server host to the client host; resolves when both ends are done. */
export async function transfer(
  network: Network,
  source: ByteSource,
  moves: number,
  observer: TransferObserver,
): Promise<TransferResult> {
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let bytesSent = 0;
  let bytesReceived = 0;
  const state: { serving: Socket | null; mover: Mover | null } = { serving: null, mover: null };

  const served = new Promise<void>((resolve, reject) => {
    const http = createServer((_request, response) => {
      const mover = state.mover;
      if (mover === null) return;
      response.writeHead(200, { 'content-length': source.size, 'content-type': 'application/octet-stream' });
      // The last byte waits until everything before it has been acknowledged. With it a reader of the capture takes the
      // message for complete, and would call later retransmissions of its bytes malformed.
      let last: Uint8Array = new Uint8Array(0);
      const write = async (): Promise<void> => {
        for await (const slice of slices(source, moves, mover)) {
          sent.update(slice);
          bytesSent += slice.length;
          let written = slice;
          if (bytesSent === source.size) {
            last = slice.subarray(-1);
            written = slice.subarray(0, -1);
          }
          if (!response.write(written)) await drained(response);
        }
        await mover.settled();
        await acknowledged(state.serving, response);
        response.end(last);
      };
      write().then(resolve, reject);
    });
    const server = new Server(network.server, {}, (socket) => {
      state.serving = socket;
      state.mover = new Mover(socket, moves);
      observer.serving(socket, state.mover);
      socket.on('error', reject);
      http.emit('connection', socket);
    });
    server.on('error', reject);
    server.listen(HTTP_PORT);
  });

  const client = connect(network.client, { host: SERVER_ADDRESS, port: HTTP_PORT });
  const downloaded = new Promise<void>((resolve, reject) => {
    const request = get(
      { path: '/', createConnection: () => client as never },
      (response) =>
        void consume(response, (bytes) => {
          received.update(bytes);
          bytesReceived += bytes.length;
          observer.progress(bytesReceived);
        }).then(resolve, reject),
    );
    request.on('error', reject);
  });
  await Promise.all([served, downloaded]);
  const { serving, mover } = state;
  if (serving === null || mover === null) throw new CommandFailure('The server never saw the connection.');
  return {
    bytesSent,
    bytesReceived,
    sha256Sent: sent.digest('hex'),
    sha256Received: received.digest('hex'),
    streamBytesSent: serving.counters?.bytesSent ?? 0,
    streamBytesReceived: client.counters?.bytesReceived ?? 0,
    mover,
  };
}

/**
 * The source in slices. The stream is divided by the moves into parts of equal size; a move begins where one part ends,
 * and the next part flows while the connection is on its way. Only a move that takes longer than its part holds the
 * stream up.
 */
async function* slices(source: ByteSource, moves: number, mover: Mover): AsyncGenerator<Uint8Array> {
  const part = source.size / (2 * moves + 1);
  let position = 0;
  while (position < source.size || !mover.exhausted) {
    const boundary = mover.exhausted ? source.size : Math.floor((mover.begun + 1) * part);
    if (position >= boundary) {
      await mover.next();
      continue;
    }
    const slice = await source.next(Math.min(SLICE_BYTES, boundary - position));
    if (slice.length === 0) throw new CommandFailure(`${source.name} became shorter while it was read.`);
    position += slice.length;
    yield slice;
  }
}

function drained(response: NodeJS.WritableStream & NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      response.off('close', gone);
      resolve();
    };
    const gone = (): void => {
      response.off('drain', done);
      reject(new CommandFailure('The serving connection ended early.'));
    };
    response.once('drain', done);
    response.once('close', gone);
  });
}

/** Resolves when the peer has acknowledged everything that was written to `response`, or the connection is gone. */
async function acknowledged(socket: Socket | null, response: ServerResponse): Promise<void> {
  const isPending = (): boolean => {
    const counters = socket?.counters ?? null;
    if (socket === null || counters === null || socket.destroyed) return false;
    return response.writableLength + socket.writableLength > 0 || counters.bytesAcknowledged < counters.bytesSent;
  };
  while (isPending()) await setTimeout(1);
}

async function consume(response: IncomingMessage, take: (bytes: Uint8Array) => void): Promise<void> {
  if (response.statusCode !== 200) throw new CommandFailure(`The server answered ${response.statusCode}.`);
  for await (const chunk of response) take(chunk as Uint8Array);
}
