/** Ports that wrap a port: they look like the port they wrap, and see or change what passes. */

import { type DirectionSettings, deliverDue, type FrameObserver, ImpairedDirection } from './impairment.ts';
import { discardFrame, type LinkPort, type Stepped } from './link.ts';
import { Random } from './random.ts';

/** Receives frames that pass a port; the interface of a pcapng file (`trace/pcapng`) is one. */
export interface FrameRecorder {
  /**
   * @param timeMicroseconds when the frame passed
   * @param direction as the port's user sees it
   * @param frame not the recorder's: it copies what it keeps
   * @param comment a remark for people, null for none
   */
  record(timeMicroseconds: number, direction: 'inbound' | 'outbound', frame: Uint8Array, comment: string | null): void;
}

/** A port that looks like the one it wraps and is told of every frame that passes, before it is handed on. */
abstract class ObservingPort implements LinkPort {
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void = discardFrame;
  readonly #inner: LinkPort;

  constructor(inner: LinkPort) {
    this.#inner = inner;
    inner.onReceive = (frame, checksumValid) => {
      this.observe('inbound', frame);
      this.onReceive(frame, checksumValid);
    };
  }

  get name(): string {
    return this.#inner.name;
  }

  get mtu(): number {
    return this.#inner.mtu;
  }

  get receiveOffload(): boolean {
    return this.#inner.receiveOffload === true;
  }

  get segmentationOffload(): boolean {
    return this.#inner.segmentationOffload === true;
  }

  /** Who observes copies what he keeps. */
  get copiesFrames(): boolean {
    return this.#inner.copiesFrames === true;
  }

  send(frame: Uint8Array): void {
    this.observe('outbound', frame);
    this.#inner.send(frame);
  }

  /** Observed once, as it is handed over: whole, and its checksum unfinished. */
  sendSegmented(frame: Uint8Array, segmentSize: number): void {
    this.observe('outbound', frame);
    this.#inner.sendSegmented?.(frame, segmentSize);
  }

  protected abstract observe(direction: 'inbound' | 'outbound', frame: Uint8Array): void;
}

/** Records every frame that passes the wrapped port, in both directions, before it is delivered. */
export class CapturePort extends ObservingPort {
  /** Asked for a comment on each frame; null for none. */
  annotate: ((direction: 'inbound' | 'outbound', frame: Uint8Array) => string | null) | null = null;
  readonly #recorder: FrameRecorder;
  readonly #now: () => number;

  /** @param now the current time in microseconds, as it is to stand in the capture */
  constructor(inner: LinkPort, recorder: FrameRecorder, now: () => number) {
    super(inner);
    this.#recorder = recorder;
    this.#now = now;
  }

  protected override observe(direction: 'inbound' | 'outbound', frame: Uint8Array): void {
    const comment = this.annotate === null ? null : this.annotate(direction, frame);
    this.#recorder.record(this.#now(), direction, frame, comment);
  }
}

/** Counts the frames and bytes that pass the wrapped port; a frame that the link segments counts once. */
export class CountingPort extends ObservingPort {
  framesSent = 0;
  bytesSent = 0;
  framesReceived = 0;
  bytesReceived = 0;

  protected override observe(direction: 'inbound' | 'outbound', frame: Uint8Array): void {
    if (direction === 'outbound') {
      this.framesSent += 1;
      this.bytesSent += frame.length;
    } else {
      this.framesReceived += 1;
      this.bytesReceived += frame.length;
    }
  }
}

/** The directions of an impaired port, as its user sees them. */
export type PortDirection = 'outgoing' | 'incoming';

/** How an impaired port behaves; what is left out is perfect, and the MTU is that of the wrapped port. */
export interface ImpairedPortOptions {
  /** Decides every random event. Default 1. */
  seed?: number;
  outgoing?: Partial<DirectionSettings>;
  incoming?: Partial<DirectionSettings>;
  /** The present time in microseconds, of the clock that `advance` is given. */
  now: () => number;
}

/**
 * Does to the wrapped port's frames what a bad network would: for real links that are too good. Frames pass during
 * `advance`, also those that nothing delays.
 */
export class ImpairedPort implements LinkPort, Stepped {
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void = discardFrame;
  /** Counters and settings of the frames that are sent. */
  readonly outgoing: ImpairedDirection<PortDirection>;
  /** Counters and settings of the frames that arrive. */
  readonly incoming: ImpairedDirection<PortDirection>;
  readonly #inner: LinkPort;
  readonly #now: () => number;
  readonly #sendOn = (frame: Uint8Array): void => this.#inner.send(frame);
  readonly #receiveOn = (frame: Uint8Array): void => this.onReceive(frame);

  /** @throws RangeError when an option makes no sense, or the port has offloads: frames must be those of the wire */
  constructor(inner: LinkPort, options: ImpairedPortOptions) {
    if (inner.segmentationOffload === true || inner.receiveOffload === true) {
      throw new RangeError(`${inner.name} joins or cuts segments: open it without, to impair the frames of the wire`);
    }
    const random = new Random(options.seed ?? 1);
    const mtu = inner.mtu;
    this.#inner = inner;
    this.#now = options.now;
    this.outgoing = new ImpairedDirection<PortDirection>('outgoing', { mtu, ...options.outgoing }, random.fork());
    this.incoming = new ImpairedDirection<PortDirection>('incoming', { mtu, ...options.incoming }, random.fork());
    inner.onReceive = (frame) => this.incoming.send(frame, this.#now());
  }

  get name(): string {
    return this.#inner.name;
  }

  get mtu(): number {
    return this.outgoing.settings.mtu;
  }

  /** Sees every frame of both directions once; null for none. */
  set observer(observer: FrameObserver<PortDirection> | null) {
    this.outgoing.observer = observer;
    this.incoming.observer = observer;
  }

  send(frame: Uint8Array): void {
    this.outgoing.send(frame, this.#now());
  }

  /** Passes on what is due at `nowMicroseconds`; what is sent meanwhile waits for the next call. */
  advance(nowMicroseconds: number): void {
    deliverDue(this.outgoing, this.#sendOn, this.incoming, this.#receiveOn, nowMicroseconds);
  }

  nextDeadline(): number {
    return Math.min(this.outgoing.next(), this.incoming.next());
  }
}
