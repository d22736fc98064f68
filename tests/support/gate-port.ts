/**
 * A port with a gate for each connection, so that a test decides who was first. At a closed gate our FIN waits, and everything
 * else from the peer's FIN on, so that nothing acknowledges that one before ours has come. Until then the rest passes: each
 * end's FIN may have to wait for acknowledgments of what was before it.
 */
import { discardFrame, type LinkPort } from '../../src/link/index.ts';
import { EtherType, readUint16, TcpFlag } from '../../src/wire/index.ts';

const IPV4_SEGMENT = 14 + 20;
const IPV6_SEGMENT = 14 + 40;

/** Frames with IP options or tags pass any gate: our stack sends none. */
export class GatePort implements LinkPort {
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void = discardFrame;
  private readonly inner: LinkPort;
  private readonly closed = new Map<number, (() => void)[]>();
  /** Gates that the peer's FIN has passed. */
  private readonly sealed = new Set<number>();
  private readonly heard = new Map<number, () => void>();

  constructor(inner: LinkPort) {
    this.inner = inner;
    inner.onReceive = (frame, checksumValid) => {
      const { port, isFin } = this.look(frame);
      if (isFin) this.sealed.add(port);
      this.onReceive(frame, checksumValid);
    };
  }

  get name(): string {
    return this.inner.name;
  }

  get mtu(): number {
    return this.inner.mtu;
  }

  get receiveOffload(): boolean {
    return this.inner.receiveOffload === true;
  }

  get segmentationOffload(): boolean {
    return this.inner.segmentationOffload === true;
  }

  /** Holds the FIN of the connection from or to the TCP port. Resolves when it waits. */
  close(port: number): Promise<void> {
    this.closed.set(port, []);
    return new Promise((resolve) => this.heard.set(port, resolve));
  }

  /** Lets everything pass, what has waited first. */
  open(port: number): void {
    const held = this.closed.get(port) ?? [];
    this.closed.delete(port);
    this.heard.delete(port);
    this.sealed.delete(port);
    for (const send of held) send();
  }

  send(frame: Uint8Array): void {
    this.pass(frame, () => this.inner.send(frame));
  }

  sendSegmented(frame: Uint8Array, segmentSize: number): void {
    this.pass(frame, () => this.inner.sendSegmented?.(frame, segmentSize));
  }

  private pass(frame: Uint8Array, send: () => void): void {
    const { port, isFin } = this.look(frame);
    if (port < 0 || !(isFin || this.sealed.has(port))) {
      send();
      return;
    }
    this.closed.get(port)?.push(send);
    if (isFin) this.heard.get(port)?.();
  }

  /** The closed gate that a frame comes to, -1 for none, and whether it brings a FIN there. */
  private look(frame: Uint8Array): { port: number; isFin: boolean } {
    const at = readUint16(frame, 12) === EtherType.IPV4 ? IPV4_SEGMENT : IPV6_SEGMENT;
    // Anything shorter is no TCP segment.
    const port = frame.length < at + 20 ? -1 : this.gateOf(frame, at);
    return { port, isFin: port >= 0 && (frame[at + 13] & TcpFlag.FIN) !== 0 };
  }

  /** The closed gate that the segment comes to, -1 for none. */
  private gateOf(frame: Uint8Array, at: number): number {
    const source = readUint16(frame, at);
    if (this.closed.has(source)) return source;
    const destination = readUint16(frame, at + 2);
    return this.closed.has(destination) ? destination : -1;
  }
}
