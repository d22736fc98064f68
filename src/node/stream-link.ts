/** A link over a UNIX stream socket: the network of a `qemu -netdev stream` or of passt, without any privilege. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  discardFrame,
  FrameStreamDecoder,
  type LinkPort,
  STREAM_HEADER_LENGTH,
  writeStreamHeader,
} from '../link/index.ts';

/** How a stream link is opened. */
export interface StreamLinkOptions {
  /** Path of the UNIX socket. */
  readonly path: string;
  /** `connect` to a socket that exists (the default), or `listen` on a new one, for one peer at a time. */
  readonly role?: 'connect' | 'listen';
  /** Largest IP packet, bytes; both ends must agree on it. Default 1500. */
  readonly mtu?: number;
}

/** What a stream link has done so far, in frames unless it says bytes. */
export class StreamCounters {
  framesSent = 0;
  bytesSent = 0;
  framesReceived = 0;
  bytesReceived = 0;
  /** Frames dropped because the peer does not read, or because there is none. */
  framesNotSent = 0;
}

/** Bytes that may wait for the peer: beyond them a wire loses frames. */
const QUEUE_BYTES = 1 << 20;

const DEFAULT_MTU = 1500;

/**
 * The link never blocks: what the peer does not read in time is dropped and counted. As long as it is open it keeps the
 * process alive, unless `unref` was called.
 */
export class StreamLink implements LinkPort {
  readonly name: string;
  readonly mtu: number;
  readonly counters = new StreamCounters();
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void = discardFrame;
  /** Called once when the link is gone for good: the peer has left, or sent what is no frame. */
  onFailure: ((error: Error) => void) | null = null;
  private readonly server: Server | null;
  private peer: Socket | null = null;
  private closed = false;
  private holdsProcess = true;

  private constructor(options: StreamLinkOptions, server: Server | null, peer: Socket | null) {
    this.name = options.path;
    this.mtu = options.mtu ?? DEFAULT_MTU;
    this.server = server;
    if (peer !== null) this.attach(peer);
    server?.on('connection', (socket) => this.accept(socket));
  }

  /** Opens a link; rejects with the error of the system when the socket cannot be connected to, or listened on. */
  static open(options: StreamLinkOptions): Promise<StreamLink> {
    return options.role === 'listen' ? StreamLink.listen(options) : StreamLink.connect(options);
  }

  private static connect(options: StreamLinkOptions): Promise<StreamLink> {
    return new Promise((resolve, reject) => {
      const socket = connect(options.path);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new StreamLink(options, null, socket));
      });
    });
  }

  private static listen(options: StreamLinkOptions): Promise<StreamLink> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(options.path, () => {
        server.off('error', reject);
        resolve(new StreamLink(options, server, null));
      });
    });
  }

  /** Whether somebody is at the other end. */
  get connected(): boolean {
    return this.peer !== null;
  }

  send(frame: Uint8Array): void {
    const { peer, counters } = this;
    if (peer === null || peer.writableLength > QUEUE_BYTES) {
      counters.framesNotSent += 1;
      return;
    }
    const header = new Uint8Array(STREAM_HEADER_LENGTH);
    writeStreamHeader(header, frame.length);
    // Both in one system call.
    peer.cork();
    peer.write(header);
    peer.write(frame);
    process.nextTick(uncork, peer);
    counters.framesSent += 1;
    counters.bytesSent += frame.length;
  }

  /** Does not keep the process alive any more; sockets that are open over the link do. */
  unref(): void {
    this.holdsProcess = false;
    this.server?.unref();
    this.peer?.unref();
  }

  /** Ends the link, and removes the socket that it listened on. */
  close(): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.closed = true;
    const { server, peer } = this;
    this.peer = null;
    // What was sent is written before the socket goes.
    peer?.end(() => peer.destroy());
    return new Promise((resolve) => {
      if (server === null) resolve();
      else server.close(() => resolve());
    });
  }

  /** One peer at a time: a wire has two ends. */
  private accept(socket: Socket): void {
    if (this.peer !== null || this.closed) socket.destroy();
    else this.attach(socket);
  }

  private attach(socket: Socket): void {
    this.peer = socket;
    if (!this.holdsProcess) socket.unref();
    const decoder = new FrameStreamDecoder((frame) => {
      this.counters.framesReceived += 1;
      this.counters.bytesReceived += frame.length;
      this.onReceive(frame);
    });
    let failure: Error | null = null;
    socket.on('data', (chunk: Buffer) => {
      // Plain bytes: a frame's `slice` must copy, and that of a Buffer does not.
      if (decoder.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))) return;
      failure = new Error(`${this.name}: ${decoder.error}`);
      socket.destroy();
    });
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () =>
      this.left(socket, failure ?? new Error(`${this.name}: the other end has closed the link`)),
    );
  }

  /** The peer is gone. A listening link waits for the next one. */
  private left(socket: Socket, reason: Error): void {
    if (this.peer === socket) this.peer = null;
    if (this.closed || this.server !== null) return;
    const { onFailure } = this;
    this.onFailure = null;
    onFailure?.(reason);
  }
}

function uncork(socket: Socket): void {
  socket.uncork();
}
