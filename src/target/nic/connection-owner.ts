/** The NIC as owner of its connections: how segments get onto the link, and where received bytes go. */

import { TcpOffloadEventType } from '../../ndis/index.ts';
import {
  blackHoleMtu,
  type ConnectionOwner,
  type ControlBlock,
  consumed,
  setPathMtu,
  timersExpire,
  type WheelEntry,
} from '../../tcp/index.ts';
import { buildTcpFrame, ipHeaderLength, TcpFlag, type TcpHeader } from '../../wire/index.ts';
import type { ReceiveCompletion } from '../messages.ts';
import { type ConnectionContext, type NeighborContext, PushTimer } from './contexts.ts';
import type { NicCore } from './core.ts';
import { applyDisposition } from './dispositions.ts';
import { elapsed, isStale } from './neighbor-reachability.ts';
import type { ReceiveDeliverySink } from './receive-delivery.ts';
import { routeOf } from './routes.ts';
import { raise } from './upload-request.ts';

/** One per NIC: the engine calls it for every connection. */
export class NicConnectionOwner implements ConnectionOwner {
  private readonly core: NicCore;

  constructor(core: NicCore) {
    this.core = core;
  }

  /** Builds the frame and sends it (IPID-01, IPID-04, VLAN-08…10, STATE-17, STATE-19). */
  transmit(cb: ControlBlock, header: TcpHeader, payloadOffset: number, payloadLength: number): void {
    const { core } = this;
    const connection = cb.attachment as ConnectionContext;
    // INV-04: sending stops at once. The engine believes the segment lost, as it may.
    if (connection.dependsOnInvalid) return;
    confirmNeighbor(core, connection.path.neighbor);
    const identification = 0x8000 | core.nextIdentification;
    core.nextIdentification = (core.nextIdentification + 1) & 0x7fff;
    const { buffers } = core;
    const frame = buildTcpFrame(
      buffers,
      routeOf(connection, header.ecn),
      identification,
      header,
      cb.sendQueue,
      payloadOffset,
      payloadLength,
      core.segmentation,
    );
    count(core, connection, header, payloadLength);
    core.sendFrame(frame, core.segmentation ? Math.max(1, cb.sendMss) : 0);
    if (core.options.link.copiesFrames === true) buffers.release(frame);
  }

  deliver(cb: ControlBlock, buffer: Uint8Array, offset: number, length: number): void {
    const connection = cb.attachment as ConnectionContext;
    connection.delivery.arrive(buffer.subarray(offset, offset + length));
  }

  acknowledged(cb: ControlBlock, bytes: number): void {
    const connection = cb.attachment as ConnectionContext;
    this.core.transmitBytes -= bytes;
    connection.sendCompletions = connection.sends.acknowledge(bytes, connection.sendCompletions);
  }

  /** A stopped connection has no timers any more; what remains of them is returned at the terminate (EVT-07). */
  expired(cb: ControlBlock): void {
    const connection = cb.attachment as ConnectionContext;
    if (connection.stopped !== 0 || connection.terminating) return;
    const { tcp } = this.core;
    const { retransmittedSegments } = tcp.statistics;
    applyDisposition(this.core, connection, timersExpire(tcp, cb));
    if (tcp.statistics.retransmittedSegments === retransmittedSegments || isStill(connection)) return;
    // RFC 4821: this connection alone tries smaller segments, until the host updates the path MTU (UPD-12).
    const pathMtu = blackHoleMtu(tcp, cb);
    if (pathMtu > 0) setPathMtu(tcp, cb, pathMtu);
  }
}

function isStill(connection: ConnectionContext): boolean {
  return connection.stopped !== 0 || connection.terminating || connection.aborted;
}

/** What fires on the wheel: a connection's engine timers, or its push timer. */
export function wheelExpired(entry: WheelEntry): void {
  if (entry instanceof PushTimer) {
    entry.connection.delivery.pushTimerExpired();
    return;
  }
  const cb = entry as ControlBlock;
  cb.owner.expired(cb);
}

/** The delivery algorithm's way to the miniport, one per connection. */
export class ConnectionDeliverySink implements ReceiveDeliverySink {
  private readonly core: NicCore;
  private readonly connection: ConnectionContext;

  constructor(core: NicCore, connection: ConnectionContext) {
    this.core = core;
    this.connection = connection;
  }

  completeReceives(completions: readonly ReceiveCompletion[]): void {
    this.core.post({ kind: 'receiveComplete', connection: this.connection.id, completions });
  }

  indicateReceive(chunks: readonly Uint8Array[]): void {
    this.core.post({ kind: 'receiveIndicate', connection: this.connection.id, chunks });
  }

  /** The window opens; a connection that stands still only accounts for it. */
  receiveConsumed(bytes: number): void {
    const { cb, stopped, terminating } = this.connection;
    if (stopped !== 0 || terminating) cb.receiveBuffered -= bytes;
    else consumed(this.core.tcp, cb, bytes);
  }

  startPushTimer(): void {
    const { tcp } = this.core;
    this.connection.pushTimer ??= new PushTimer(this.connection);
    tcp.wheel.arm(this.connection.pushTimer, tcp.ticks + tcp.parameters.pushTicks);
  }

  stopPushTimer(): void {
    const { pushTimer } = this.connection;
    if (pushTimer !== null) this.core.tcp.wheel.cancel(pushTimer);
  }

  /** EVT-01. */
  endOfData(): void {
    raise(this.core, this.connection, TcpOffloadEventType.DISCONNECT, 0);
  }
}

/** Before each datagram: asks the host about a neighbor that nobody has confirmed for long, once at a time (NBR-06, NBR-08). */
function confirmNeighbor(core: NicCore, neighbor: NeighborContext): void {
  const { ticks, parameters } = core.tcp;
  if (neighbor.queryOutstanding || !isStale(neighbor, ticks, parameters.nceStaleTicks)) return;
  neighbor.queryOutstanding = true;
  core.post({
    kind: 'neighborQuery',
    neighbor: neighbor.id,
    state: {
      kind: 'neighbor',
      dlSourceAddress: neighbor.dlSourceAddress === null ? null : neighbor.dlSourceAddress.bytes.slice(),
      vlanId: neighbor.vlanId,
      dlDestinationAddress: neighbor.destination.bytes.slice(),
      hostReachabilityDelta: elapsed(ticks, neighbor.hostReachabilityTime),
      nicReachabilityDelta: elapsed(ticks, neighbor.nicReachabilityTime),
    },
  });
}

/** STAT-07, STAT-13, STAT-15. */
function count(core: NicCore, connection: ConnectionContext, header: TcpHeader, payloadLength: number): void {
  const { ip, tcp } = core.statistics.of(connection.family);
  ip.outRequests += 1;
  ip.outOctets += ipHeaderLength(connection.family) + header.headerLength + payloadLength;
  if (header.flags & TcpFlag.RST) tcp.outResets += 1;
  const length = payloadLength + (header.flags & TcpFlag.FIN ? 1 : 0);
  const old = length > 0 && ((header.sequence - connection.highestSent) | 0) < 0;
  const end = (header.sequence + length) | 0;
  const fresh = ((end - connection.highestSent) | 0) > 0;
  if (old) tcp.retransmittedSegments += 1;
  if (fresh) connection.highestSent = end;
  if (fresh || !old) tcp.outSegments += 1;
}
