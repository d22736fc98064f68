/** The listening ports of a stack, on all of its addresses or each on one of them, and those with connections to hand out. */
import type { IpAddress, IpPacket } from '../../wire/index.ts';
import type { Listener } from './listener.ts';

export class ListenerTable {
  private readonly byPort = new Map<number, Listener[]>();
  private readonly acceptQueue: Listener[] = [];
  private readonly wake: () => void;

  /** `wake` has `HostStack.advance` called. */
  constructor(wake: () => void) {
    this.wake = wake;
  }

  /** Whether anybody listens on a port, on whatever address. */
  has(port: number): boolean {
    return this.byPort.has(port);
  }

  /** Whether a listener on `address`, or on all of them for null, would be in the way of another, or another in its way. */
  isTaken(port: number, address: IpAddress | null): boolean {
    const others = this.byPort.get(port) ?? [];
    return others.some((other) => address === null || other.address === null || other.address.equals(address));
  }

  /** Who gets a SYN: the listener on the address that it is for, or on all addresses (RFC 9293 section 3.9.1.1, MUST-43). */
  find(port: number, packet: IpPacket): Listener | null {
    const listeners = this.byPort.get(port);
    if (listeners === undefined) return null;
    for (const listener of listeners) if (listener.address === null || packet.isTo(listener.address)) return listener;
    return null;
  }

  add(listener: Listener): void {
    const others = this.byPort.get(listener.port);
    if (others === undefined) this.byPort.set(listener.port, [listener]);
    else others.push(listener);
  }

  delete(listener: Listener): void {
    const left = (this.byPort.get(listener.port) ?? []).filter((other) => other !== listener);
    if (left.length === 0) this.byPort.delete(listener.port);
    else this.byPort.set(listener.port, left);
  }

  /** Closes all listeners. */
  close(): void {
    for (const listener of [...this.byPort.values()].flat()) listener.close();
  }

  // ---- connections that wait to be handed out ----

  /** Remembers that a listener may have connections to hand out. */
  queue(listener: Listener): void {
    if (!listener.ready || this.acceptQueue.includes(listener)) return;
    this.acceptQueue.push(listener);
    this.wake();
  }

  /** Whether listeners have connections to hand out. */
  get acceptPending(): boolean {
    return this.acceptQueue.length > 0;
  }

  /** Hands out established connections to the application. */
  accept(): void {
    // A handler that throws must not cost the others their turn.
    for (let listener = this.acceptQueue[0]; listener !== undefined; listener = this.acceptQueue[0]) {
      listener.accept();
      this.acceptQueue.shift();
    }
  }
}
