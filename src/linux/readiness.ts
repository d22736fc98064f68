/**
 * Tells when a file descriptor that Node's event loop cannot watch (a TAP is a character device, which libuv refuses) has
 * something to read. A worker sleeps in epoll_wait; it neither reads nor polls, and costs nothing while nothing arrives.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import {
  close,
  EPOLL_DATA_OFFSET,
  EPOLL_EVENT_BYTES,
  Epoll,
  epollControl,
  epollCreate,
  epollEvent,
  eventfd,
  LITTLE_ENDIAN,
  write,
} from './ffi.ts';

/**
 * The worker's program, as text: a worker cannot load a TypeScript file where the rest of the project runs from its
 * sources. It ends when the stop descriptor becomes readable.
 */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const koffi = require(workerData.koffi);
const wait = koffi.load(null).func('epoll_wait', 'int', ['int', 'void *', 'int', 'int']);
const events = new Uint8Array(2 * workerData.eventBytes);
const view = new DataView(events.buffer);
Atomics.store(workerData.loaded, 0, 1);
Atomics.notify(workerData.loaded, 0);
for (let running = true; running; ) {
  const count = wait(workerData.epoll, events, 2, 1000);
  for (let index = 0; index < count; index += 1) {
    const fd = view.getInt32(index * workerData.eventBytes + workerData.dataOffset, workerData.littleEndian);
    if (fd === workerData.stop) running = false;
    else parentPort.postMessage(null);
  }
}
`;

/** Those whose worker runs. */
const open = new Set<Readiness>();

/** How long a process that ends waits at most for a worker that begins, milliseconds. */
const LOADING_MILLISECONDS = 2_000;

/** A process that ends waits for its workers, and these sit in a system call. */
function endAll(): void {
  for (const readiness of open) readiness.endNow();
}

/** Watches one descriptor. Armed once, it reports once. It does not keep the process alive. */
export class Readiness {
  private readonly epoll: number;
  private readonly stop: number;
  private readonly fd: number;
  private readonly armed: Uint8Array;
  private readonly worker: Worker;
  /** 1 once the worker has loaded what it needs. */
  private readonly loaded = new Int32Array(new SharedArrayBuffer(4));
  private closed = false;

  /**
   * @param fd a descriptor that stays open until `close` has resolved
   * @param readable called when something can be read after `arm`
   * @param failed called when the worker dies: nothing will be reported any more
   * @throws SystemCallError when the process has no descriptors left
   */
  constructor(fd: number, concerning: string, readable: () => void, failed: (error: Error) => void) {
    this.fd = fd;
    this.epoll = epollCreate(concerning);
    this.stop = eventfd(concerning);
    epollControl(this.epoll, Epoll.ADD, this.stop, epollEvent(Epoll.IN, this.stop));
    epollControl(this.epoll, Epoll.ADD, fd, epollEvent(Epoll.ONESHOT, fd));
    this.armed = epollEvent(Epoll.IN | Epoll.ONESHOT, fd);
    this.worker = new Worker(PROGRAM, {
      eval: true,
      execArgv: [],
      env: {},
      workerData: {
        koffi: createRequire(import.meta.url).resolve('koffi'),
        epoll: this.epoll,
        stop: this.stop,
        eventBytes: EPOLL_EVENT_BYTES,
        dataOffset: EPOLL_DATA_OFFSET,
        littleEndian: LITTLE_ENDIAN,
        loaded: this.loaded,
      },
    });
    this.worker.on('message', readable);
    this.worker.on('error', failed);
    this.worker.unref();
    if (open.size === 0) process.on('exit', endAll);
    open.add(this);
  }

  /** Has `readable` called once, as soon as there is something to read. */
  arm(): void {
    if (!this.closed) epollControl(this.epoll, Epoll.MOD, this.fd, this.armed);
  }

  /** Ends the worker; afterwards the watched descriptor may be closed. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    open.delete(this);
    if (open.size === 0) process.off('exit', endAll);
    this.worker.removeAllListeners('message');
    const ended = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    this.worker.ref();
    this.signalStop();
    await ended;
    close(this.epoll);
    close(this.stop);
  }

  /**
   * Has the worker end, as the last thing in the process. A worker that is interrupted while it loads a native module brings
   * the process down. @internal
   */
  endNow(): void {
    Atomics.wait(this.loaded, 0, 0, LOADING_MILLISECONDS);
    this.signalStop();
  }

  private signalStop(): void {
    write(this.stop, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  }
}
