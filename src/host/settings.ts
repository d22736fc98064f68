/** Settings of a host stack. */
import type { MiniportAdapter } from '../ndis/miniport-adapter.ts';
import type { Ndis } from '../ndis/ndis.ts';
import type { RandomInt32 } from '../tcp/context.ts';
import type { TcpParameters } from '../tcp/parameters.ts';
import type { IpAddress, MacAddress } from '../wire/index.ts';
import type { ConnectionOptions } from './connection-options.ts';

/**
 * Which connections the stack offers to the target by itself. `auto`: established, more than 128 KiB moved, not
 * closing. `always`: every established one. Explicit calls work with each of them.
 */
export type OffloadPolicy = 'never' | 'auto' | 'always';

export interface HostStackOptions {
  /** For people. */
  readonly name: string;
  readonly ndis: Ndis;
  /** The adapter that frames go through, and that may offload. */
  readonly adapter: MiniportAdapter;
  readonly address: IpAddress;
  /** Bits of the address that name the link's network, 0…32. */
  readonly prefixLength: number;
  /** Next hop for what is not on the link; without one such connections fail with EHOSTUNREACH. */
  readonly gateway?: IpAddress | null;
  /** By default the adapter's. */
  readonly macAddress?: MacAddress;
  /** Largest IP datagram, bytes; by default the adapter's. */
  readonly mtu?: number;
  /** Settings of the TCP engine that differ from its defaults. */
  readonly parameters?: Partial<TcpParameters>;
  /** Uniformly distributed int32; cryptographically strong wherever attackers are to be feared. */
  readonly random: RandomInt32;
  /** The stack's clock when it begins, microseconds; by default 0. */
  readonly now?: number;
  readonly offloadPolicy?: OffloadPolicy;
  /** Receive window of a connection when nothing is unread, bytes. */
  readonly receiveBufferBytes?: number;
  /** `Connection.send` asks to wait when so many bytes are unacknowledged. */
  readonly sendBufferBytes?: number;
  /** Most bytes of segments held per connection while it moves. */
  readonly heldSegmentLimitBytes?: number;
  /** For every connection of the stack; a listener or an opening may say otherwise. */
  readonly connection?: ConnectionOptions;
}

/** The options with their defaults. */
export interface HostSettings {
  readonly offloadPolicy: OffloadPolicy;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly heldSegmentLimitBytes: number;
  readonly connection: ConnectionOptions;
}

const MEBIBYTE = 1024 * 1024;

/** The largest window that can be advertised (RFC 7323 section 2.2). */
export const MAXIMUM_WINDOW = 0x3fffffff;

/** Fills in the defaults. */
export function settingsOf(options: HostStackOptions): HostSettings {
  const receive = options.receiveBufferBytes ?? MEBIBYTE;
  return {
    offloadPolicy: options.offloadPolicy ?? 'never',
    receiveBufferBytes: Math.max(1, Math.min(receive, MAXIMUM_WINDOW)),
    sendBufferBytes: Math.max(1, options.sendBufferBytes ?? MEBIBYTE),
    heldSegmentLimitBytes: Math.max(0, options.heldSegmentLimitBytes ?? 4 * MEBIBYTE),
    connection: options.connection ?? {},
  };
}

/** The smallest window scale that can express `bytes` (RFC 7323 section 2.3). */
export function windowScaleFor(bytes: number): number {
  let scale = 0;
  while (scale < 14 && bytes >>> scale > 0xffff) scale++;
  return scale;
}
