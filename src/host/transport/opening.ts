/** What a new connection begins with. */
import { ConnectionHash } from '../../tcp/initial-sequence.ts';
import { TcpCachedState, TcpConstantState } from '../../tcp/variables.ts';
import type { IpAddress } from '../../wire/index.ts';
import type { Connection } from '../connection.ts';
import { type ConnectionOptions, offeredFlags } from '../connection-options.ts';
import type { HostCore } from '../core.ts';
import { type HostSettings, MAXIMUM_WINDOW, windowScaleFor } from '../settings.ts';
import { Successors } from './time-wait.ts';

/** Keepalive times of RFC 9293 MUST-28 and of common practice, milliseconds. */
const KEEP_ALIVE_TIMEOUT_MILLISECONDS = 7_200_000;
const KEEP_ALIVE_INTERVAL_MILLISECONDS = 75_000;

const FLOW_LABEL_MASK = 0xfffff;

export class Openings {
  private readonly core: HostCore;
  private readonly settings: HostSettings;
  /** Connections that follow another one in TIME-WAIT. */
  readonly successors = new Successors();
  private readonly hash: ConnectionHash;

  constructor(core: HostCore, settings: HostSettings) {
    this.core = core;
    this.settings = settings;
    this.hash = new ConnectionHash(core.tcp.random);
  }

  /** Constant variables of a connection whose options are still to be agreed. */
  constant(localPort: number, remotePort: number, options: ConnectionOptions): TcpConstantState {
    const constant = new TcpConstantState();
    constant.flags = offeredFlags(options);
    constant.localPort = localPort;
    constant.remotePort = remotePort;
    constant.rcvWindScale = this.windowScale(options);
    constant.hashValue = this.core.tcp.random();
    return constant;
  }

  /** Cached variables before the application has changed any, for a connection from `local`. */
  cached(local: IpAddress, options: ConnectionOptions): Readonly<TcpCachedState> {
    const cached = new TcpCachedState();
    if (local.family === 6) {
      cached.ttlOrHopLimit = this.core.interface.hopLimit;
      cached.flowLabel = this.core.tcp.random() & FLOW_LABEL_MASK; // RFC 6437 section 3
    }
    cached.initialRcvWnd = this.receiveWindow(options);
    cached.kaTimeout = this.core.milliseconds(KEEP_ALIVE_TIMEOUT_MILLISECONDS);
    cached.kaInterval = this.core.milliseconds(KEEP_ALIVE_INTERVAL_MILLISECONDS);
    return this.core.tcp.cachedStates.share(cached);
  }

  /** The shift of the windows that we advertise: the largest that the buffer may ever need (RFC 7323 section 2.3). */
  windowScale(options: ConnectionOptions): number {
    const { tunesReceiveBuffer, receiveBufferLimitBytes } = this.settings;
    const isTuned = tunesReceiveBuffer && options.receiveBufferBytes === undefined;
    return options.windowScale ?? windowScaleFor(isTuned ? receiveBufferLimitBytes : this.receiveWindow(options));
  }

  /** The receive window that a connection begins with, bytes. */
  receiveWindow(options: ConnectionOptions): number {
    const bytes = options.receiveBufferBytes ?? this.settings.receiveBufferBytes;
    return Math.max(1, Math.min(bytes, MAXIMUM_WINDOW));
  }

  /** Initial send sequence number (RFC 6528). */
  initialSequence(connection: Connection): number {
    const { localAddress: local, localPort, remoteAddress: remote, remotePort } = connection;
    const iss = this.hash.initialSequence(local.bytes, localPort, remote.bytes, remotePort, this.core.tcp.now);
    return this.successors.above(connection, iss);
  }

  /** What the connection's timestamps are ahead of the stack's clock (RFC 7323 section 5.4). */
  timestampOffset(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): number {
    return this.hash.timestampOffset(local.bytes, localPort, remote.bytes, remotePort);
  }

  /** Where the search for an ephemeral port starts (RFC 6056 algorithm 3). */
  portOffset(local: IpAddress, remote: IpAddress, remotePort: number): number {
    return this.hash.portOffset(local.bytes, remote.bytes, remotePort);
  }
}
