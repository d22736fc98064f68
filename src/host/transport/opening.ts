/** What a new connection begins with. */
import { ConnectionHash } from '../../tcp/initial-sequence.ts';
import { TcpCachedState, TcpConstantFlag, TcpConstantState } from '../../tcp/variables.ts';
import type { IpAddress } from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { type HostSettings, windowScaleFor } from '../settings.ts';

const ALL_OPTIONS =
  TcpConstantFlag.TIMESTAMP_ENABLED | TcpConstantFlag.SACK_ENABLED | TcpConstantFlag.WINDOW_SCALING_ENABLED;

/** Keepalive times of RFC 9293 MUST-28 and of common practice, milliseconds. */
const KEEP_ALIVE_TIMEOUT_MILLISECONDS = 7_200_000;
const KEEP_ALIVE_INTERVAL_MILLISECONDS = 75_000;

export class Openings {
  private readonly core: HostCore;
  private readonly settings: HostSettings;
  private readonly hash: ConnectionHash;

  constructor(core: HostCore, settings: HostSettings) {
    this.core = core;
    this.settings = settings;
    this.hash = new ConnectionHash(core.tcp.random);
  }

  /** Constant variables of a connection whose options are still to be agreed. */
  constant(localPort: number, remotePort: number): TcpConstantState {
    const constant = new TcpConstantState();
    constant.flags = ALL_OPTIONS;
    constant.localPort = localPort;
    constant.remotePort = remotePort;
    constant.rcvWindScale = windowScaleFor(this.settings.receiveBufferBytes);
    constant.hashValue = this.core.tcp.random();
    return constant;
  }

  /** Cached variables before the application has changed any. */
  cached(): TcpCachedState {
    const cached = new TcpCachedState();
    cached.initialRcvWnd = this.settings.receiveBufferBytes;
    cached.kaTimeout = this.core.milliseconds(KEEP_ALIVE_TIMEOUT_MILLISECONDS);
    cached.kaInterval = this.core.milliseconds(KEEP_ALIVE_INTERVAL_MILLISECONDS);
    return cached;
  }

  /** Initial send sequence number (RFC 6528). */
  initialSequence(localPort: number, remote: IpAddress, remotePort: number): number {
    const local = this.core.interface.address.bytes;
    return this.hash.initialSequence(local, localPort, remote.bytes, remotePort, this.core.tcp.now);
  }

  /** What the connection's timestamps are ahead of the stack's clock (RFC 7323 section 5.4). */
  timestampOffset(localPort: number, remote: IpAddress, remotePort: number): number {
    return this.hash.timestampOffset(this.core.interface.address.bytes, localPort, remote.bytes, remotePort);
  }

  /** Where the search for an ephemeral port starts (RFC 6056 algorithm 3). */
  portOffset(remote: IpAddress, remotePort: number): number {
    return this.hash.portOffset(this.core.interface.address.bytes, remote.bytes, remotePort);
  }
}
