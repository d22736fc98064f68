/** A host ready for use in Node: NDIS, a software adapter on a link, and a host stack, driven by a runtime. */
import {
  type Connection,
  type ConnectionHandlers,
  HostStack,
  type Listener,
  type OffloadPolicy,
} from '../host/index.ts';
import type { LinkPort } from '../link/index.ts';
import { createVerifier, Ndis } from '../ndis/index.ts';
import { SoftwareAdapter, type TargetLimits } from '../target/index.ts';
import type { TcpParameters } from '../tcp/index.ts';
import { IpAddress, MacAddress } from '../wire/index.ts';
import { createRandomInt32 } from './random.ts';
import type { NodeRuntime } from './runtime.ts';

/** What a host is made of. */
export interface HostOptions {
  /** For people. */
  readonly name: string;
  readonly runtime: NodeRuntime;
  /** The link that the adapter owns from now on. */
  readonly link: LinkPort;
  /** IP address of the host. */
  readonly address: string;
  readonly prefixLength: number;
  /** More addresses, of either family; `address` names the host. With one of IPv6 the host has a link-local one too. */
  readonly addresses?: readonly { readonly address: string; readonly prefixLength: number }[];
  /** IP address of the default router. */
  readonly gateway?: string;
  /** IP addresses of default routers, one of each family, beside `gateway`. */
  readonly gateways?: readonly string[];
  /** Probes for each IPv6 address before it is used (RFC 4862); by default 1, which takes a second. 0: none. */
  readonly duplicateAddressProbes?: number;
  /** Whether IPv6 routers are asked for and obeyed; by default they are. */
  readonly acceptRouterAdvertisements?: boolean;
  readonly macAddress: string;
  /** Which connections the stack hands to the target by itself; default `auto`. */
  readonly offloadPolicy?: OffloadPolicy;
  readonly parameters?: Partial<TcpParameters>;
  readonly targetLimits?: Partial<TargetLimits>;
  /** Check every call across NDIS against the contract's rules; on in tests. */
  readonly verify?: boolean;
  /** Source of int32 randomness; cryptographic when left out. */
  readonly random?: () => number;
}

/** Turns between stack and adapter in which offloaded connections are aborted too: an upload needs a few. */
const CLOSING_ROUNDS = 8;

export class Host {
  readonly name: string;
  readonly runtime: NodeRuntime;
  readonly ndis: Ndis;
  readonly adapter: SoftwareAdapter;
  readonly stack: HostStack;
  readonly address: IpAddress;
  private isClosed = false;
  private readonly closing: (() => void)[] = [];

  /** @throws TypeError when an address cannot be read */
  constructor(options: HostOptions) {
    this.name = options.name;
    this.runtime = options.runtime;
    const random = options.random ?? createRandomInt32();
    const now = options.runtime.now();
    this.address = readAddress(options.address);
    const macAddress = MacAddress.parse(options.macAddress);
    if (macAddress === null) throw new TypeError(`"${options.macAddress}" is no MAC address: write 02:00:00:00:00:01.`);
    this.ndis = new Ndis(options.verify ? { verifier: createVerifier() } : {});
    this.adapter = new SoftwareAdapter({
      name: options.name,
      macAddress,
      link: options.link,
      limits: options.targetLimits ?? {},
      parameters: options.parameters ?? {},
      random,
      now,
    });
    const miniportAdapter = this.adapter.initialize(this.ndis);
    this.stack = new HostStack({
      name: options.name,
      ndis: this.ndis,
      adapter: miniportAdapter,
      address: this.address,
      prefixLength: options.prefixLength,
      addresses: (options.addresses ?? []).map(({ address, prefixLength }) => ({
        address: readAddress(address),
        prefixLength,
      })),
      gateway: options.gateway === undefined ? undefined : readAddress(options.gateway),
      gateways: (options.gateways ?? []).map(readAddress),
      duplicateAddressProbes: options.duplicateAddressProbes,
      acceptRouterAdvertisements: options.acceptRouterAdvertisements,
      macAddress,
      mtu: options.link.mtu,
      parameters: options.parameters,
      random,
      now,
      offloadPolicy: options.offloadPolicy ?? 'auto',
    });
    this.runtime.add(this.adapter);
    this.runtime.add(this.stack);
  }

  /**
   * Opens a connection. What becomes of it is told to the handlers.
   *
   * @throws TypeError when the address cannot be read
   * @throws RangeError when `port` is none
   * @throws Error when every local port towards this peer is in use
   */
  open(address: string, port: number, handlers: ConnectionHandlers): Connection {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new RangeError(`${port} is no port: use a whole number from 1 to 65535.`);
    }
    return this.stack.connect({ address: readAddress(address), port }, handlers);
  }

  /** Listens on a port of the host; `accept` gets each connection. */
  listen(port: number, backlog: number, accept: (connection: Connection) => void): Listener {
    return this.stack.listen({ port, backlog }, accept);
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.isClosed;
  }

  /** Has `action` called by `close`, before anything else. */
  onClose(action: () => void): void {
    this.closing.push(action);
  }

  /** Resets what is open, puts the resets on the link, and stops. Sockets are destroyed, without an error of theirs. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const action of this.closing.splice(0)) action();
    this.stack.close();
    for (let round = 0; round < CLOSING_ROUNDS; round++) {
      const now = this.runtime.now();
      this.stack.advance(now);
      this.adapter.advance(now);
    }
    this.runtime.remove(this.stack);
    this.runtime.remove(this.adapter);
  }
}

function readAddress(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === null) {
    throw new TypeError(`"${text}" is no IP address: write it as numbers, for example 192.0.2.1 or 2001:db8::1.`);
  }
  return address;
}
