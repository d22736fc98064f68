/** Settings of a host stack. */
import type { MiniportAdapter } from '../ndis/miniport-adapter.ts';
import type { Ndis } from '../ndis/ndis.ts';
import type { RandomInt32 } from '../tcp/context.ts';
import type { TcpParameters } from '../tcp/parameters.ts';
import type { IpAddress, MacAddress } from '../wire/index.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { AddressConfiguration } from './network-interface.ts';
import type { NetworkOptions } from './network-layer.ts';
import type { StaticRoute } from './path/route-table.ts';

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
  /** Our address; left out when `addresses` has them all. */
  readonly address?: IpAddress;
  /** Bits of the address that name the link's network: 0…32, or 0…128; by default 24 or 64. */
  readonly prefixLength?: number;
  /** More addresses, of either family. With one of IPv6 the stack has a link-local address too. */
  readonly addresses?: readonly AddressConfiguration[];
  /** Next hop for what is not on the link; without one such connections fail with EHOSTUNREACH. */
  readonly gateway?: IpAddress | null;
  /** Default routers, one of each family, beside `gateway`. */
  readonly gateways?: readonly IpAddress[];
  readonly routes?: readonly StaticRoute[];
  /** Probes for each IPv6 address before it is used (RFC 4862 section 5.1); by default 1, which takes a second. 0: none. */
  readonly duplicateAddressProbes?: number;
  /** Whether IPv6 routers are asked for and obeyed; by default they are. */
  readonly acceptRouterAdvertisements?: boolean;
  /**
   * Whether datagrams are taken that came by an IPv4 source route, and connections answered by its reverse (RFC 9293 section
   * 3.9.2.1). By default they are dropped: whoever forges a source address could have the answers led to himself.
   */
  readonly acceptSourceRoutes?: boolean;
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
  /**
   * Receive window of a connection when nothing is unread, bytes. Left out, it begins with 64 KiB and follows what the
   * application reads, up to `receiveBufferLimitBytes`.
   */
  readonly receiveBufferBytes?: number;
  /** By default 6 MiB. */
  readonly receiveBufferLimitBytes?: number;
  /**
   * `Connection.send` asks to wait when so many bytes are unacknowledged. Left out, it begins with 64 KiB and follows the
   * congestion window, up to `sendBufferLimitBytes`.
   */
  readonly sendBufferBytes?: number;
  /** By default 4 MiB. */
  readonly sendBufferLimitBytes?: number;
  /**
   * Most bytes that all connections together may have in buffers, with what it costs to keep them; by default 256 MiB. From
   * three quarters of it on buffers grow no more and windows open little; at the limit windows close, text behind a gap is
   * thrown away, and new connections are refused.
   */
  readonly memoryLimitBytes?: number;
  /** Connections whose applications have left them, at most; by default 4096. Of more the oldest is reset. */
  readonly maximumOrphans?: number;
  /** How long such a connection may go on without anything acknowledged, milliseconds; by default four minutes. */
  readonly orphanTimeoutMilliseconds?: number;
  /** Most bytes of segments held per connection while it moves. */
  readonly heldSegmentLimitBytes?: number;
  /** Answer SYNs with cookies while too many connections are half open (RFC 4987 section 3.6); true by default. */
  readonly synCookies?: boolean;
  /** For every connection of the stack; a listener or an opening may say otherwise. */
  readonly connection?: ConnectionOptions;
}

/** The options with their defaults. */
export interface HostSettings {
  readonly offloadPolicy: OffloadPolicy;
  /** What a connection begins with, and keeps unless the buffer is tuned. */
  readonly receiveBufferBytes: number;
  readonly tunesReceiveBuffer: boolean;
  readonly receiveBufferLimitBytes: number;
  readonly sendBufferBytes: number;
  readonly tunesSendBuffer: boolean;
  readonly sendBufferLimitBytes: number;
  readonly memoryLimitBytes: number;
  readonly maximumOrphans: number;
  readonly orphanTimeoutMilliseconds: number;
  readonly heldSegmentLimitBytes: number;
  readonly synCookies: boolean;
  readonly connection: ConnectionOptions;
}

const MEBIBYTE = 1024 * 1024;

/** What tuned buffers begin with, bytes. */
const FIRST_BUFFER = 65_536;

/** The largest window that can be advertised (RFC 7323 section 2.2). */
export const MAXIMUM_WINDOW = 0x3fffffff;

/** Fills in the defaults. */
export function settingsOf(options: HostStackOptions): HostSettings {
  const receiveLimit = within(options.receiveBufferLimitBytes ?? 6 * MEBIBYTE);
  const sendLimit = Math.max(1, options.sendBufferLimitBytes ?? 4 * MEBIBYTE);
  return {
    offloadPolicy: options.offloadPolicy ?? 'never',
    receiveBufferBytes: within(options.receiveBufferBytes ?? Math.min(FIRST_BUFFER, receiveLimit)),
    tunesReceiveBuffer: options.receiveBufferBytes === undefined,
    receiveBufferLimitBytes: receiveLimit,
    sendBufferBytes: Math.max(1, options.sendBufferBytes ?? Math.min(FIRST_BUFFER, sendLimit)),
    tunesSendBuffer: options.sendBufferBytes === undefined,
    sendBufferLimitBytes: sendLimit,
    memoryLimitBytes: Math.max(1, options.memoryLimitBytes ?? 256 * MEBIBYTE),
    maximumOrphans: Math.max(0, options.maximumOrphans ?? 4096),
    orphanTimeoutMilliseconds: Math.max(1, options.orphanTimeoutMilliseconds ?? 240_000),
    heldSegmentLimitBytes: Math.max(0, options.heldSegmentLimitBytes ?? 4 * MEBIBYTE),
    synCookies: options.synCookies ?? true,
    connection: options.connection ?? {},
  };
}

function within(window: number): number {
  return Math.max(1, Math.min(window, MAXIMUM_WINDOW));
}

/** All addresses, the one that names the stack first. */
export function addressesOf(options: HostStackOptions): AddressConfiguration[] {
  const { address, prefixLength, addresses = [] } = options;
  if (address === undefined) return [...addresses];
  return [{ address, prefixLength: prefixLength ?? (address.family === 4 ? 24 : 64) }, ...addresses];
}

/** What of the options concerns the network. */
export function networkOptionsOf(options: HostStackOptions): NetworkOptions {
  const { gateway = null, gateways = [] } = options;
  return {
    gateways: gateway === null ? gateways : [...gateways, gateway],
    routes: options.routes ?? [],
    duplicateAddressProbes: options.duplicateAddressProbes ?? 1,
    acceptSourceRoutes: options.acceptSourceRoutes ?? false,
    acceptRouterAdvertisements: options.acceptRouterAdvertisements ?? true,
  };
}

/** The smallest window scale that can express `bytes` (RFC 7323 section 2.3). */
export function windowScaleFor(bytes: number): number {
  let scale = 0;
  while (scale < 14 && bytes >>> scale > 0xffff) scale++;
  return scale;
}
