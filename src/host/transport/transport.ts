/**
 * The transport layer of the host stack: finds the connection of a segment, gives it to whoever owns the connection,
 * and runs the connections that the host owns with the TCP engine.
 */
import { challengeAck } from '../../tcp/blind-attack.ts';
import {
  abort,
  blackHoleMtu,
  type ConnectionOwner,
  ControlBlock,
  consumed,
  Disposition,
  isOvertaken,
  isSynchronized,
  MemoryState,
  openActive,
  release,
  segmentArrives,
  setPathMtu,
  TcpState,
  timersExpire,
} from '../../tcp/index.ts';
import {
  DropReason,
  EcnCodepoint,
  type IpAddress,
  type IpPacket,
  ipHeaderLength,
  parseTcp,
  type SourceRoute,
  TcpFlag,
  TcpHeader,
} from '../../wire/index.ts';
import type { HostOwned } from '../chimney/switch.ts';
import { Connection, ConnectionEvent, type ConnectionServices } from '../connection.ts';
import type { ConnectionOptions } from '../connection-options.ts';
import type { CloseReason, ConnectionHandlers } from '../connection-types.ts';
import type { HostCore } from '../core.ts';
import type { NeighborCache } from '../framing/neighbor-cache.ts';
import type { IpOutput } from '../path/output.ts';
import type { PathTable } from '../path/path-table.ts';
import type { HostSettings } from '../settings.ts';
import { bringsText, readSegment, segmentOf } from './arriving-segment.ts';
import { ConnectionTable } from './connection-table.ts';
import { CookieHandshakes } from './cookie-handshakes.ts';
import { type AcceptHandler, Listener } from './listener.ts';
import { ListenerTable } from './listener-table.ts';
import { Nobody } from './nobody.ts';
import { Openings } from './opening.ts';
import { Orphans } from './orphans.ts';
import { type PassiveOpener, PassiveOpenings } from './passive-openings.ts';
import { EphemeralPorts } from './ports.ts';
import { applyRequests } from './requests.ts';
import { checkSourceRoute, followReturnRoute, ipOptionBytes } from './source-routing.ts';
import { choosePort, isPortFree, sequenceEnd } from './time-wait.ts';
import { isTold } from './timed-out.ts';

/** A TCP header without options, bytes. */
const TCP_HEADER_LENGTH = 20;

/** The two lowest bits of the type of service belong to ECN and not to the application (RFC 3168 section 5). */
const ECN_MASK = 3;

/** Of a connection that was not handed out yet. */
const NO_HANDLERS: ConnectionHandlers = Object.freeze({});

export class Transport implements ConnectionOwner {
  readonly connections: ConnectionTable<Connection>;
  readonly listeners: ListenerTable;
  readonly orphans: Orphans;
  private readonly core: HostCore;
  private readonly settings: HostSettings;
  private readonly paths: PathTable;
  private readonly neighbors: NeighborCache;
  private readonly ip: IpOutput;
  private readonly services: ConnectionServices;
  private readonly openings: Openings;
  private readonly ports: EphemeralPorts;
  private readonly nobody: Nobody;
  private readonly passive: PassiveOpenings;
  private readonly header = new TcpHeader();
  /** While a SYN takes the place of a connection in TIME-WAIT: that one. */
  private predecessor: Connection | null = null;

  constructor(
    core: HostCore,
    settings: HostSettings,
    paths: PathTable,
    neighbors: NeighborCache,
    ip: IpOutput,
    services: ConnectionServices,
  ) {
    this.core = core;
    this.settings = settings;
    this.paths = paths;
    this.neighbors = neighbors;
    this.ip = ip;
    this.services = services;
    this.connections = new ConnectionTable(core.tcp.random());
    this.listeners = new ListenerTable(() => core.wake());
    this.orphans = new Orphans(core, settings.maximumOrphans, settings.orphanTimeoutMilliseconds);
    this.openings = new Openings(core, settings);
    this.ports = new EphemeralPorts(
      (remote, port) => this.openings.portOffset(this.localFor(remote), remote, port),
      core.tcp.random(),
    );
    this.nobody = new Nobody(core, ip);
    const cookies = new CookieHandshakes(core, paths, ip, this.openings);
    this.passive = new PassiveOpenings(core, settings, this.openings, cookies, this.nobody, this.passiveOpener());
  }

  // ---- opening ----

  /**
   * Passive OPEN: nothing but the listener is made or changed (RFC 9293 section 3.9.1.1, MUST-41); connections that are being
   * opened from the same port are not in its way (MUST-42). `local` null: on all our addresses (MUST-43). Port 0 asks for any
   * free one.
   *
   * @throws Error when the port is taken on that address
   */
  listen(
    port: number,
    local: IpAddress | null,
    backlog: number,
    options: ConnectionOptions,
    handler: AcceptHandler,
  ): Listener {
    const { address } = this.core.interface;
    const chosen = port === 0 ? this.ports.pick(address, 0, (candidate) => !this.listeners.has(candidate)) : port;
    if (chosen === 0 || this.listeners.isTaken(chosen, local)) {
      throw new Error(`port ${port} is already listened on (EADDRINUSE)`);
    }
    const accept: AcceptHandler = (connection) => {
      connection.listener = null;
      handler(connection);
      this.services.schedule(connection);
    };
    const released = (listener: Listener): void => {
      this.listeners.delete(listener);
    };
    const all = optionsOf(this.settings.connection, options);
    const listener: Listener = new Listener(chosen, local, backlog, all, accept, released, () =>
      this.listeners.queue(listener),
    );
    this.listeners.add(listener);
    return listener;
  }

  /**
   * Opens a connection; failures are told by `closed`. `local` is one of our addresses, or null for the one that fits.
   *
   * @throws Error when the local port is in use for that peer.
   */
  connect(
    remote: IpAddress,
    remotePort: number,
    local: IpAddress | null,
    localPort: number,
    options: ConnectionOptions,
    handlers: ConnectionHandlers,
  ): Connection {
    if (options.sourceRoute !== undefined) checkSourceRoute(this.paths, remote, options.sourceRoute);
    const from = local ?? this.localFor(remote);
    const find = (candidate: number): Connection | null => this.connections.find(from, candidate, remote, remotePort);
    const pick = (accept: (candidate: number) => boolean): number =>
      this.ports.pick(remote, remotePort, (candidate) => !this.listeners.has(candidate) && accept(candidate));
    const port = localPort === 0 ? choosePort(this.core, pick, find) : localPort;
    if (port === 0 || this.listeners.has(port) || !isPortFree(this.core, find(port))) {
      throw new Error(`no local port is free for ${remote}:${remotePort} (EADDRINUSE)`);
    }
    const old = find(port);
    if (old !== null) this.forget(old);
    const all = optionsOf(this.settings.connection, options);
    const connection = this.create(from, remote, remotePort, port, all, handlers);
    if (old !== null) this.openings.successors.add(connection, sequenceEnd(old));
    connection.openPending = true;
    this.services.schedule(connection);
    return connection;
  }

  // ---- segments ----

  /**
   * A TCP datagram for our address. `frame` is kept where the segment must wait.
   *
   * @param checksumValid the adapter vouches for the checksum
   */
  tcpArrives(frame: Uint8Array, ip: IpPacket, checksumValid: boolean): void {
    const { header } = this;
    const reason = readSegment(frame, ip, checksumValid, header);
    if (reason !== DropReason.NONE) {
      this.core.tcp.statistics.inErrors++;
      this.core.drops.count(reason);
      return;
    }
    header.ecn = ip.trafficClass & ECN_MASK;
    const connection = this.connections.lookup(ip, header.sourcePort, header.destinationPort);
    if (connection === null) {
      this.unknownArrives(ip, header, frame);
      return;
    }
    if (ip.hasOptions && header.flags & TcpFlag.SYN) connection.needsIpOptions = true;
    this.dispatch(connection, frame, ip);
  }

  /** A segment that was held: from the first byte of its TCP header on. */
  heldArrives(connection: Connection, segment: Uint8Array): void {
    const { ownership } = connection;
    if (ownership === null || ownership.owner !== 'host') return;
    if (parseTcp(segment, 0, segment.length, this.header) !== DropReason.NONE) return;
    if (isOvertaken(ownership.cb, this.header)) return;
    if (connection.congestionMarkHeld && this.header.payloadLength > 0) {
      connection.congestionMarkHeld = false;
      this.header.ecn = EcnCodepoint.CE;
    }
    this.process(connection, ownership, this.header, segment);
  }

  /** Gives a segment to the owner of its connection. It is processed by nobody while the connection moves. */
  private dispatch(connection: Connection, frame: Uint8Array, ip: IpPacket): void {
    const { ownership } = connection;
    if (ownership === null) return;
    switch (ownership.owner) {
      case 'host':
        if (connection.detached && bringsText(ownership.cb, this.header, this.core.tcp.parameters.arrival)) {
          // Nobody will ever read it: the peer must not believe that it was delivered (RFC 9293 section 3.10.4, RFC 2525).
          this.nobody.answer(ip, this.header);
          this.end(connection, 'ECONNRESET');
          return;
        }
        if (connection.listener !== null && this.passive.mustWait(connection, ownership.cb, this.header)) return;
        this.arrives(connection, ownership, frame, ip);
        return;
      case 'offloading':
      case 'uploading':
        this.noteMark(connection);
        this.core.statistics.segmentsHeld++;
        connection.counters.segmentsHeld++;
        if (this.core.tcp.memoryState >= MemoryState.EXHAUSTED || !ownership.held.push(segmentOf(frame, ip))) {
          this.core.statistics.segmentsHeldDropped++;
        }
        this.services.memory.account(connection);
        return;
      case 'offloaded':
        this.noteMark(connection);
        ownership.io.addForward(segmentOf(frame, ip));
        this.services.schedule(connection);
    }
  }

  /** A segment alone does not tell how its datagram was marked: whoever processes it must hear of it. */
  private noteMark(connection: Connection): void {
    if (this.header.ecn === EcnCodepoint.CE) connection.congestionMarkHeld = true;
  }

  private arrives(connection: Connection, ownership: HostOwned, frame: Uint8Array, ip: IpPacket): void {
    const disposition = this.process(connection, ownership, this.header, frame);
    if (disposition & Disposition.NEW_CONNECTION) {
      this.giveWay(connection, ownership.cb, frame, ip);
    } else if (ip.returnRoute !== null && disposition & Disposition.ACCEPTED) {
      followReturnRoute(this.core, this.paths, connection, ownership.cb, ip.returnRoute);
    }
  }

  /** TIME-WAIT gives way to a new incarnation, if somebody listens for it (RFC 9293 MAY-2, RFC 6191 section 2). */
  private giveWay(connection: Connection, cb: ControlBlock, frame: Uint8Array, ip: IpPacket): void {
    const listener = this.listeners.find(this.header.destinationPort, ip);
    if (listener === null) {
      challengeAck(this.core.tcp, cb);
      return;
    }
    this.forget(connection);
    this.predecessor = connection;
    this.passive.arrives(listener, ip, this.header, frame);
    this.predecessor = null;
  }

  private process(connection: Connection, ownership: HostOwned, header: TcpHeader, buffer: Uint8Array): number {
    const { tcp } = this.core;
    const retransmitted = tcp.statistics.retransmittedSegments;
    const disposition = segmentArrives(tcp, ownership.cb, header, buffer);
    connection.counters.retransmissions += tcp.statistics.retransmittedSegments - retransmitted;
    if (connection.tuning !== null) this.services.tuning.arrived(connection.tuning, ownership.cb, header);
    this.apply(connection, ownership, disposition);
    this.services.memory.account(connection);
    return disposition;
  }

  /** LISTEN and CLOSED (RFC 9293 sections 3.10.7.2 and 3.10.7.1). */
  private unknownArrives(ip: IpPacket, header: TcpHeader, frame: Uint8Array): void {
    const listener = this.listeners.find(header.destinationPort, ip);
    if (listener === null) this.nobody.answer(ip, header);
    else this.passive.arrives(listener, ip, header, frame);
  }

  /** @see PassiveOpener.embryo */
  private embryo(listener: Listener, ip: IpPacket, header: TcpHeader): ControlBlock | null {
    const remote = ip.source;
    if (!this.paths.isUnicast(remote)) return null;
    const { sourcePort, destinationPort } = header;
    const connection = this.create(ip.destination, remote, sourcePort, destinationPort, listener.options, NO_HANDLERS);
    const cb = this.start(connection, ip.returnRoute); // MUST-53
    if (cb === null) {
      this.core.drops.count(DropReason.RESOURCES);
      this.connections.remove(connection);
      return null;
    }
    if (this.predecessor !== null) this.openings.successors.add(connection, sequenceEnd(this.predecessor));
    connection.needsIpOptions = ip.hasOptions;
    connection.listener = listener;
    listener.opened(connection);
    return cb;
  }

  private passiveOpener(): PassiveOpener {
    return {
      embryo: (listener, ip, header) => this.embryo(listener, ip, header),
      arrives: (connection, header, frame) => {
        const { ownership } = connection;
        if (ownership?.owner === 'host') this.process(connection, ownership, header, frame);
      },
      forget: (connection) => this.forget(connection),
    };
  }

  private create(
    local: IpAddress,
    remote: IpAddress,
    remotePort: number,
    localPort: number,
    options: ConnectionOptions,
    handlers: ConnectionHandlers,
  ): Connection {
    const constant = this.openings.constant(localPort, remotePort, options);
    const cached = this.openings.cached(local, options);
    const { services } = this;
    // Connections of one path share its addresses.
    const path = this.paths.find(local, remote);
    const connection = new Connection(
      services,
      path?.source ?? local,
      path?.destination ?? remote,
      remotePort,
      localPort,
      constant,
      cached,
      this.settings,
      options,
      handlers,
    );
    this.connections.insert(connection);
    return connection;
  }

  /** Gives a new connection its path and control block; null when there is no way to the peer. */
  private start(connection: Connection, route: SourceRoute | null): ControlBlock | null {
    const { localAddress, remoteAddress, remotePort, localPort } = connection;
    const isPossible = this.core.interface.isOwn(localAddress) && this.paths.isUnicast(remoteAddress);
    const path = isPossible ? this.paths.join(localAddress, remoteAddress, connection, route) : null;
    if (path === null) return null;
    connection.path = path;
    const cb = this.controlBlock(connection);
    cb.ipOptionBytes = ipOptionBytes(route);
    cb.timestampDelta = this.openings.timestampOffset(localAddress, localPort, remoteAddress, remotePort);
    connection.ownership = { owner: 'host', cb };
    return cb;
  }

  /** A fresh control block for a connection that has its path: for opening, and for taking back. */
  controlBlock(connection: Connection): ControlBlock {
    const { family } = connection.localAddress;
    const pathMtu = connection.path === null ? this.core.interface.mtuOf(family) : connection.path.pathMtu;
    const overhead = ipHeaderLength(family) + TCP_HEADER_LENGTH;
    const { constant, cached } = connection;
    const cb = new ControlBlock(this.core.tcp, this, connection, constant, cached, overhead, pathMtu);
    const { maximumSegmentSize, congestionControl } = connection.options;
    if (maximumSegmentSize !== undefined) cb.maximumSegmentSize = maximumSegmentSize;
    if (congestionControl !== undefined) cb.useCongestionControl(congestionControl);
    return cb;
  }

  private open(connection: Connection): void {
    connection.openPending = false;
    const route = connection.options.sourceRoute ?? null;
    connection.needsIpOptions = route !== null;
    const cb = this.start(connection, route);
    if (cb === null) {
      connection.close('EHOSTUNREACH');
      this.forget(connection);
      return;
    }
    openActive(this.core.tcp, cb, this.openings.initialSequence(connection));
  }

  // ---- what the application asked for ----

  /** Applies everything that the application has asked of a connection that the host owns. */
  service(connection: Connection): void {
    if (connection.detached) this.orphans.add(connection);
    if (connection.openPending) {
      if (connection.abortRequested) {
        connection.openPending = false;
        this.end(connection, 'ECONNABORTED');
        return;
      }
      // An address that may be somebody else's starts nothing (RFC 4862 section 5.4): `addressSettled` goes on.
      if (this.core.interface.find(connection.localAddress)?.state === 'tentative') return;
      this.open(connection);
    }
    const { ownership } = connection;
    if (ownership === null || ownership.owner !== 'host' || connection.isClosed) return;
    const { cb } = ownership;
    if (connection.abortRequested) {
      abort(this.core.tcp, cb);
      this.end(connection, 'ECONNABORTED');
      return;
    }
    applyRequests(this.core.tcp, connection, cb);
  }

  // ---- what the engine says ----

  transmit(cb: ControlBlock, header: TcpHeader, payloadOffset: number, payloadLength: number): void {
    const { path } = cb.attachment as Connection;
    if (path === null) return;
    const { ttlOrHopLimit, tosOrTrafficClass, flowLabel, userPriority } = cb.cached;
    path.route.userPriority = userPriority;
    const payload = payloadLength > 0 ? cb.sendQueue : null;
    this.ip.sendSegment(
      path,
      header,
      payload,
      payloadOffset,
      payloadLength,
      ttlOrHopLimit,
      (tosOrTrafficClass & ~ECN_MASK) | header.ecn, // the DSCP as the application set it (RFC 9293 SHLD-22)
      flowLabel,
      cb.sendMss,
    );
  }

  deliver(cb: ControlBlock, buffer: Uint8Array, offset: number, length: number): void {
    (cb.attachment as Connection).deliver(buffer.subarray(offset, offset + length));
  }

  urgent(cb: ControlBlock, ahead: number): void {
    (cb.attachment as Connection).urgentAdvanced(ahead);
  }

  acknowledged(cb: ControlBlock, bytes: number): void {
    const connection = cb.attachment as Connection;
    if (connection.tunesSendBuffer) this.services.tuning.acknowledged(connection, cb.delegated.cWnd);
    connection.acknowledged(bytes);
  }

  expired(cb: ControlBlock): void {
    const connection = cb.attachment as Connection;
    const { ownership } = connection;
    if (ownership === null || ownership.owner !== 'host' || ownership.cb !== cb) return;
    const { tcp } = this.core;
    const retransmitted = tcp.statistics.retransmittedSegments;
    const disposition = timersExpire(tcp, cb);
    connection.counters.retransmissions += tcp.statistics.retransmittedSegments - retransmitted;
    this.apply(connection, ownership, disposition);
    const { path } = connection;
    if (tcp.statistics.retransmittedSegments === retransmitted || connection.isClosed || path === null) return;
    const pathMtu = path.neighbor.resolved ? blackHoleMtu(tcp, cb) : 0;
    if (pathMtu > 0) this.paths.suspectBlackHole(path, pathMtu);
  }

  /** What a segment or a timer means to the connection. */
  private apply(connection: Connection, ownership: HostOwned, disposition: number): void {
    if (disposition & Disposition.FORWARD_PROGRESS && connection.path !== null) {
      this.neighbors.confirm(connection.path.neighbor);
      if (connection.path.suspectedFrom > 0) this.paths.confirmBlackHole(connection.path);
    }
    if (disposition & Disposition.NEIGHBOR_IN_DOUBT) {
      // R1: negative advice for the IP layer, and word to the application (RFC 9293 section 3.8.3 MUST-20 (b), SHLD-9).
      if (connection.path !== null) this.neighbors.suspect(connection.path.neighbor);
      connection.report('excessive-retransmission');
    }
    if (disposition & Disposition.ESTABLISHED) {
      connection.cached = ownership.cb.cached; // the handshake may have rounded the receive buffer
      this.established(connection);
    }
    if (disposition & Disposition.PEER_CLOSED) connection.notePeerClosed();
    if (disposition & Disposition.FIN_ACKNOWLEDGED) connection.noteFinAcknowledged();
    if (disposition & Disposition.TIME_WAIT) connection.close(null);
    if (disposition & Disposition.CLOSED) this.end(connection, null);
    else if (disposition & Disposition.FIN_WAIT_2_EXPIRED)
      this.end(connection, 'ETIMEDOUT'); // the peer never closed
    else if (disposition & Disposition.RESET) this.end(connection, 'ECONNRESET');
    else if (disposition & Disposition.REFUSED) this.end(connection, 'ECONNREFUSED');
    else if (disposition & (Disposition.TIMED_OUT | Disposition.MITIGATION_EXPIRED)) {
      if (isTold(this.core.tcp, connection, ownership.cb)) abort(this.core.tcp, ownership.cb);
      if (connection.path !== null) this.paths.acquit(connection.path);
      this.end(connection, 'ETIMEDOUT');
    }
  }

  private established(connection: Connection): void {
    connection.raise(ConnectionEvent.CONNECTED);
    const { listener } = connection;
    if (listener === null) return;
    listener.completed(connection);
    if (listener.closed) connection.listener = null;
    else this.listeners.queue(listener);
  }

  /** The connection is over, and the engine is done with it. */
  end(connection: Connection, reason: CloseReason): void {
    connection.close(reason);
    this.forget(connection);
  }

  /** Removes a connection that the host owns from the stack: its segments belong to nobody from now on. */
  forget(connection: Connection): void {
    if (connection.isClosed) return;
    connection.isClosed = true;
    const { ownership, listener, path } = connection;
    if (ownership !== null && ownership.owner === 'host') {
      // It may never have been established: then its listener has room again.
      if (listener !== null && (connection.events & ConnectionEvent.CONNECTED) === 0) {
        listener.abandoned(connection);
        connection.listener = null;
      }
      release(this.core.tcp, ownership.cb);
    }
    connection.retryTimer?.cancel();
    connection.unsent = null;
    connection.dropUnacknowledged(connection.sendBufferedBytes);
    connection.unsentBytes = 0;
    this.connections.remove(connection);
    if (connection.detached) this.orphans.delete(connection);
    this.services.memory.account(connection);
    if (path !== null) this.paths.leave(path, connection);
    this.services.schedule(connection);
  }

  /** The address that a connection to `remote` comes from; the remote one itself, with which nothing opens, without any. */
  private localFor(remote: IpAddress): IpAddress {
    return this.core.interface.sourceFor(remote)?.address ?? remote;
  }

  /** No memory is left: what can be had again goes first, and connections that nobody has (RFC 2018 section 8). */
  prune(): void {
    for (const connection of this.connections) {
      const { ownership } = connection;
      if (ownership?.owner !== 'host' || ownership.cb.reassembly === null) continue;
      ownership.cb.reassembly = null;
      ownership.cb.pushHeld = false;
      this.services.memory.account(connection);
    }
    this.orphans.resetAll();
  }

  /** There is memory again: peers hear of windows that may open, applications of room for what they send. */
  relieve(): void {
    for (const connection of this.connections) {
      connection.noteDrained();
      const { ownership } = connection;
      if (ownership?.owner !== 'host') this.services.schedule(connection);
      else if (isSynchronized(ownership.cb.delegated.state)) consumed(this.core.tcp, ownership.cb, 0);
    }
  }

  /** A tentative address has become ours, or was found to be somebody else's: what waits for it goes on. */
  addressSettled(address: IpAddress): void {
    for (const connection of this.connections) {
      if (connection.openPending && connection.localAddress.equals(address)) this.services.schedule(connection);
    }
  }

  /** @see ConnectionServices.destinationUnreachable */
  destinationUnreachable(connection: Connection): void {
    // An established connection survives: retransmission decides (RFC 9293 MUST-56).
    if (connection.state === TcpState.SYN_SENT) this.end(connection, 'EHOSTUNREACH');
  }

  /** @see ConnectionServices.pathMtuChanged */
  pathMtuChanged(connection: Connection, pathMtu: number): void {
    const { ownership } = connection;
    if (ownership !== null && ownership.owner === 'host') setPathMtu(this.core.tcp, ownership.cb, pathMtu);
  }
}

/** What a connection begins with: nearly always the very options of all, which then need not be kept once for each. */
function optionsOf(common: ConnectionOptions, chosen: ConnectionOptions): ConnectionOptions {
  return Object.keys(chosen).length === 0 ? common : { ...common, ...chosen };
}
