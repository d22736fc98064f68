/** A link over a packet device of the kernel: a TAP or a macvtap, one frame per read and per write. */
import { closeSync } from 'node:fs';
import { Coalescer, Coalescing, discardFrame, type LinkPort, type Stepped } from '../link/index.ts';
import { Errno, lastErrno, read, SystemCallError, write } from './ffi.ts';
import { Readiness } from './readiness.ts';
import { ReceiveMemory } from './receive-memory.ts';
import { checksumIsGood, VNET_HEADER_LENGTH, writePlainHeader, writeSegmentedHeader } from './vnet-header.ts';

/** What was opened. */
export interface PacketDevice {
  /** Non-blocking; the link owns it from now on. */
  readonly fd: number;
  /** Name of the interface. */
  readonly name: string;
  /** Largest IP packet, bytes. */
  readonly mtu: number;
  /** Frames carry a virtio-net header; checksums and segmentation are offloaded both ways. */
  readonly offload: boolean;
  /** Without offloads: join received segments that follow each other. */
  readonly coalesce: boolean;
}

/** What a device link has done so far, in frames unless it says bytes. */
export class DeviceCounters {
  framesSent = 0;
  bytesSent = 0;
  framesReceived = 0;
  bytesReceived = 0;
  /** Frames that the device did not take: it is down, or has no room. */
  framesNotSent = 0;
  /** Times that the link went to sleep until the device has something to read. */
  sleeps = 0;
}

/** Frames read in one `advance`: others shall have their turn. */
const FRAMES_PER_ADVANCE = 32;

/** How long the device is asked again and again after its last frame before the link sleeps, microseconds: waking costs more. */
const SPIN_MICROSECONDS = 60;

const ETHERNET_OVERHEAD = 18;
/** A frame with the largest IP packet there is. */
const LARGEST_FRAME = 65_535 + ETHERNET_OVERHEAD;

/**
 * Frames are read during `advance`, while there are any; then the link sleeps, and `onWork` is called when more arrive. So
 * it costs a system call per frame under load, and nothing without.
 */
export class DeviceLink implements LinkPort, Stepped {
  readonly name: string;
  readonly mtu: number;
  readonly segmentationOffload: boolean;
  readonly receiveOffload: boolean;
  /** A write is over, one way or the other, when the system call has returned. */
  readonly copiesFrames = true;
  readonly counters = new DeviceCounters();
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void = discardFrame;
  /** Called when frames have arrived outside of `advance`. */
  onWork: (() => void) | null = null;
  /** Called once when the device is gone, for instance because somebody deleted the interface. */
  onFailure: ((error: Error) => void) | null = null;
  private readonly fd: number;
  private readonly headerLength: number;
  private readonly readLength: number;
  private readonly memory: ReceiveMemory;
  private readonly outgoing: Uint8Array;
  private readonly readiness: Readiness;
  private readonly coalescer: Coalescer | null;
  /** The segment that is being joined. */
  private joined: Uint8Array | null = null;
  /** Frames may be there: `advance` reads. */
  private awake = false;
  /** When the last frame was read; below 0: not known yet. */
  private lastFrameAt = -1;
  private closed = false;

  /** @throws SystemCallError when the process has no descriptors left */
  constructor(device: PacketDevice) {
    this.fd = device.fd;
    this.name = device.name;
    this.mtu = device.mtu;
    this.segmentationOffload = device.offload;
    this.receiveOffload = device.offload || device.coalesce;
    this.coalescer = device.coalesce && !device.offload ? new Coalescer() : null;
    this.headerLength = device.offload ? VNET_HEADER_LENGTH : 0;
    this.readLength = this.headerLength + (device.offload ? LARGEST_FRAME : device.mtu + ETHERNET_OVERHEAD);
    this.memory = new ReceiveMemory(this.readLength, this.headerLength);
    this.outgoing = new Uint8Array(this.headerLength + LARGEST_FRAME);
    this.readiness = new Readiness(
      device.fd,
      device.name,
      () => this.readable(),
      (error) => this.fail(error),
    );
    this.readiness.arm();
  }

  /** Writes a complete frame. */
  send(frame: Uint8Array): void {
    if (this.headerLength === 0) {
      this.write(frame, frame.length);
      return;
    }
    writePlainHeader(this.outgoing);
    this.writeBehindHeader(frame);
  }

  /** Writes a TCP segment that the kernel completes and cuts. */
  sendSegmented(frame: Uint8Array, segmentSize: number): void {
    writeSegmentedHeader(this.outgoing, frame, segmentSize);
    this.writeBehindHeader(frame);
  }

  /** Reads what has arrived, up to a bound, and goes to sleep when nothing has for a while. */
  advance(nowMicroseconds: number): void {
    if (!this.awake || this.closed) return;
    if (this.lastFrameAt < 0) this.lastFrameAt = nowMicroseconds;
    for (let count = 0; count < FRAMES_PER_ADVANCE; count += 1) {
      const buffer = this.memory.next();
      const length = read(this.fd, buffer, this.readLength);
      if (length < 0) {
        const errno = lastErrno();
        this.flushJoined();
        this.nothingRead(errno, nowMicroseconds);
        return;
      }
      this.lastFrameAt = nowMicroseconds;
      this.received(buffer, length);
      // The receiver may have closed the link.
      if (this.closed) return;
    }
    this.flushJoined();
  }

  /** At once while frames may be there; never while the link sleeps. */
  nextDeadline(): number {
    return this.awake && !this.closed ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** Closes the device; the interface vanishes unless it was made to persist. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.readiness.close();
    closeSync(this.fd);
  }

  private received(buffer: Uint8Array, length: number): void {
    const { headerLength, counters } = this;
    if (length <= headerLength) return;
    counters.framesReceived += 1;
    counters.bytesReceived += length - headerLength;
    const checksumValid = headerLength > 0 && checksumIsGood(buffer);
    if (this.coalescer !== null) this.coalesce(this.coalescer, buffer, length);
    else this.onReceive(this.memory.take(length - headerLength), checksumValid);
  }

  /** Joins the frame to the segment before it, or keeps it for the next one, or passes it on. */
  private coalesce(coalescer: Coalescer, buffer: Uint8Array, length: number): void {
    const { memory, joined } = this;
    const what = coalescer.offer(buffer, length);
    if (joined !== null && (what === Coalescing.CONTINUES || what === Coalescing.ENDS)) {
      const text = coalescer.textOffset;
      const longer = memory.append(joined, text, length - text);
      this.joined = longer;
      if (what === Coalescing.ENDS || !memory.canAppend(longer)) this.flushJoined();
      return;
    }
    this.flushJoined();
    const frame = memory.take(length);
    if (what === Coalescing.BEGINS && memory.canAppend(frame)) {
      coalescer.start(frame);
      this.joined = frame;
    } else this.onReceive(frame, false);
  }

  private flushJoined(): void {
    const { joined, coalescer } = this;
    if (joined === null || coalescer === null) return;
    this.joined = null;
    coalescer.finish(joined);
    this.onReceive(joined, true);
  }

  private nothingRead(errno: number, now: number): void {
    if (errno === Errno.EINTR) return;
    if (errno !== Errno.EAGAIN) {
      this.fail(new SystemCallError('read', errno, this.name));
      return;
    }
    if (now - this.lastFrameAt < SPIN_MICROSECONDS) return;
    this.awake = false;
    this.counters.sleeps += 1;
    this.readiness.arm();
  }

  private readable(): void {
    if (this.closed) return;
    this.awake = true;
    this.lastFrameAt = -1;
    this.onWork?.();
  }

  private writeBehindHeader(frame: Uint8Array): void {
    this.outgoing.set(frame, this.headerLength);
    this.write(this.outgoing, this.headerLength + frame.length);
  }

  private write(bytes: Uint8Array, length: number): void {
    if (this.closed || write(this.fd, bytes, length) < 0) {
      this.counters.framesNotSent += 1;
      return;
    }
    this.counters.framesSent += 1;
    this.counters.bytesSent += length - this.headerLength;
  }

  private fail(error: Error): void {
    this.awake = false;
    const { onFailure } = this;
    this.onFailure = null;
    onFailure?.(error);
  }
}
