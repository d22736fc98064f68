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
for (let running = true; running; ) {
  const count = wait(workerData.epoll, events, 2, 1000);
  for (let index = 0; index < count; index += 1) {
    const fd = view.getInt32(index * workerData.eventBytes + workerData.dataOffset, workerData.littleEndian);
    if (fd === workerData.stop) running = false;
    else parentPort.postMessage(null);
  }
}
`;

/** Watches one descriptor. Armed once, it reports once. It does not keep the process alive. */
export class Readiness {
  private readonly epoll: number;
  private readonly stop: number;
  private readonly fd: number;
  private readonly armed: Uint8Array;
  private readonly worker: Worker;
  private readonly endNow = (): void => this.signalStop();
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
      },
    });
    this.worker.on('message', readable);
    this.worker.on('error', failed);
    this.worker.unref();
    // A process that ends waits for its workers, and this one sits in a system call.
    process.once('exit', this.endNow);
  }

  /** Has `readable` called once, as soon as there is something to read. */
  arm(): void {
    if (!this.closed) epollControl(this.epoll, Epoll.MOD, this.fd, this.armed);
  }

  /** Ends the worker; afterwards the watched descriptor may be closed. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    process.off('exit', this.endNow);
    this.worker.removeAllListeners('message');
    const ended = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    this.worker.ref();
    this.signalStop();
    await ended;
    close(this.epoll);
    close(this.stop);
  }

  private signalStop(): void {
    write(this.stop, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  }
}
