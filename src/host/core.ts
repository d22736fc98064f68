/** What all parts of one host stack share. */
import type { TcpContext } from '../tcp/context.ts';
import { DropCounters, FrameBuffers } from '../wire/index.ts';
import type { NetworkInterface } from './network-interface.ts';

/** Counters of a host stack outside of its TCP engine. They only grow. */
export class HostStatistics {
  framesReceived = 0;
  framesSent = 0;
  arpRequestsSent = 0;
  arpRepliesSent = 0;
  neighborSolicitationsSent = 0;
  neighborAdvertisementsSent = 0;
  /** IPv6 addresses that somebody else had. */
  duplicateAddresses = 0;
  /** Datagrams put together from fragments. */
  datagramsReassembled = 0;
  /** ICMP errors of our own. */
  icmpErrorsSent = 0;
  /** Times that a path MTU was lowered because full-sized segments vanished (RFC 4821). */
  blackHolesSuspected = 0;
  /** Frames dropped because their next hop did not answer, or too many waited for it. */
  framesUnresolved = 0;
  echoRepliesSent = 0;
  /** Resets sent for segments that belong to nobody. */
  resetsToNobody = 0;
  /** SYNs dropped because a listener had no room. */
  backlogDrops = 0;
  /** Half-open connections that were given up for a newer SYN (RFC 4987 section 3.4). */
  halfOpenRecycled = 0;
  /** SYNs answered with a cookie because too many connections were half open (RFC 4987 section 3.6). */
  synCookiesSent = 0;
  /** Connections made from the cookie that an ACK brought back. */
  synCookiesAccepted = 0;
  /** ACKs for a listener without a cookie of ours; they were answered with a reset. */
  synCookiesRefused = 0;
  /** SYNs, and ACKs that would have completed an opening, dropped because too many connections wait to be accepted. */
  acceptOverflows = 0;
  /** Times that memory for buffers became short, and that it ran out. */
  memoryPressures = 0;
  memoryExhaustions = 0;
  /** SYNs, and ACKs that would have made a connection, dropped because memory had run out. */
  memoryRefusals = 0;
  /** Connections reset whose applications had left them: too many, or without progress for too long. */
  orphansReset = 0;
  /** Times that a path MTU was lowered by ICMP. */
  pathMtuReductions = 0;
  offloads = 0;
  offloadsRefused = 0;
  uploads = 0;
  /** Terminates that failed: the state of the connection was lost. */
  uploadsFailed = 0;
  segmentsHeld = 0;
  /** Held segments dropped because too many were held; the peer sends them again. */
  segmentsHeldDropped = 0;
  segmentsForwarded = 0;
  /** Upload requests of the target that need not be followed and were not (EVT-08). */
  uploadRequestsIgnored = 0;
}

/** Shared by the rooms of one stack; holds no connection. */
export class HostCore {
  readonly tcp: TcpContext;
  readonly interface: NetworkInterface;
  readonly buffers = new FrameBuffers();
  readonly drops = new DropCounters();
  readonly statistics = new HostStatistics();
  /**
   * Gives a frame to the adapter, to which it belongs from then on. A `segmentSize` above 0 leaves the TCP checksum and the
   * cutting into segments of that size to the adapter.
   */
  readonly sendFrame: (frame: Uint8Array, segmentSize: number) => void;
  /** Tells the stack's owner that there is work for `HostStack.advance`. */
  readonly wake: () => void;
  private nextIdentification: number;
  private nextFragment: number;
  private actions: (() => void)[] = [];

  constructor(
    tcp: TcpContext,
    networkInterface: NetworkInterface,
    sendFrame: (frame: Uint8Array, segmentSize: number) => void,
    wake: () => void,
  ) {
    this.tcp = tcp;
    this.interface = networkInterface;
    this.sendFrame = sendFrame;
    this.wake = wake;
    this.nextIdentification = tcp.random() & 0x7fff;
    this.nextFragment = networkInterface.has(6) ? tcp.random() & 0x7fffffff : 0;
  }

  /**
   * Has `action` run from within `HostStack.advance`: for what an upcall of NDIS asks for, because nothing is called
   * downwards from inside an upcall.
   */
  defer(action: () => void): void {
    this.actions.push(action);
    this.wake();
  }

  /** Whether deferred actions wait. */
  get deferred(): boolean {
    return this.actions.length > 0;
  }

  /** Runs what was deferred until now. */
  runDeferred(): void {
    const actions = this.actions;
    if (actions.length === 0) return;
    this.actions = [];
    let done = 0;
    try {
      for (const action of actions) {
        done++;
        action();
      }
    } finally {
      // Some are answers to the application, which may throw.
      if (done < actions.length) this.actions = [...actions.slice(done), ...this.actions];
    }
  }

  /** The next IPv4 identification: the host uses 0x0000…0x7FFF only (IPID-02). */
  identification(): number {
    const value = this.nextIdentification;
    this.nextIdentification = (value + 1) & 0x7fff;
    return value;
  }

  /** The next identification of an IPv6 Fragment header, int32: the host uses the lower half of the space only (IPID-02). */
  fragmentIdentification(): number {
    const value = this.nextFragment;
    this.nextFragment = (value + 1) & 0x7fffffff;
    return value;
  }

  /** Ticks for a time in milliseconds. */
  milliseconds(milliseconds: number): number {
    return Math.max(1, Math.round((milliseconds * this.tcp.parameters.ticksPerSecond) / 1000));
  }
}
