/** A host on a link of this machine, for the commands that run one. */
import type { LinkPort } from '../link/index.ts';
import { Host, type HostOptions, NodeRuntime, StreamLink } from '../node/index.ts';
import { TcpState } from '../tcp/index.ts';
import { IpAddress, MacAddress } from '../wire/index.ts';
import { CommandFailure, describeSystemError, UsageError } from './errors.ts';
import { LinkCapture } from './link-capture.ts';
import type { LinkName, LinkOptions } from './link-options.ts';

/** What an open link of any kind is to this module. */
interface OpenLink {
  readonly port: LinkPort & { onFailure: ((error: Error) => void) | null; close(): Promise<void> };
  /** The only address that frames are brought for; null when any will do. */
  readonly macAddress: MacAddress | null;
  /** The runtime drives it. */
  readonly stepped: boolean;
}

/** How often `settled` looks, milliseconds. */
const SETTLE_MILLISECONDS = 5;

/** How often a host is looked at whose link has failed, and without any progress, until everything is processed that had arrived. */
const IDLE_LOOKS = 50;
const LOOK_MILLISECONDS = 1;

/** A host, its link and what drives them. */
export class LinkHost {
  readonly host: Host;
  /** The name of the link, as the kernel knows it. */
  readonly linkName: string;
  /** Rejects when the link has failed, and what had arrived before is processed; never resolves. */
  readonly failed: Promise<never>;
  private readonly runtime: NodeRuntime;
  private readonly link: OpenLink;
  private readonly capture: LinkCapture | null;

  private constructor(runtime: NodeRuntime, link: OpenLink, capture: LinkCapture | null, options: HostOptions) {
    this.runtime = runtime;
    this.link = link;
    this.capture = capture;
    this.linkName = link.port.name;
    this.failed = new Promise<never>((_, reject) => {
      link.port.onFailure = (error) => {
        const failure = new CommandFailure(describeLoss(link.port.name, error));
        void this.idle().then(() => reject(failure));
      };
    });
    // Whoever does not wait for it any more has ended the command already.
    this.failed.catch(() => {});
    this.host = new Host(options);
  }

  /**
   * Opens the link and starts the host.
   *
   * @throws UsageError with one sentence when the link cannot be opened, or an address is none
   */
  static async open(
    name: LinkName,
    options: LinkOptions,
    settings: Pick<HostOptions, 'offloadPolicy' | 'targetLimits'>,
  ): Promise<LinkHost> {
    const { address: [first, ...others] = [], router, pcap } = options;
    const own = first === undefined ? null : IpAddress.parse(first.address);
    if (first === undefined || own === null) {
      throw new UsageError('The host needs an address on the link: give --address.');
    }
    const link = await openLink(name, options);
    const runtime = new NodeRuntime();
    let capture: LinkCapture | null = null;
    try {
      if (pcap !== undefined) capture = new LinkCapture(link.port, pcap, () => runtime.now());
      if (link.stepped) runtime.add(link.port as unknown as Parameters<NodeRuntime['add']>[0]);
      return new LinkHost(runtime, link, capture, {
        name: 'host',
        runtime,
        link: capture?.port ?? link.port,
        address: first.address,
        prefixLength: first.prefixLength,
        addresses: others,
        gateways: router ?? [],
        macAddress: (link.macAddress ?? macAddressFor(own)).toString(),
        ...settings,
      });
    } catch (error) {
      runtime.close();
      await link.port.close();
      throw error;
    }
  }

  /**
   * Waits until the peers have acknowledged everything, the last FIN included: sockets may be closed, and what they sent
   * still be on its way. A kernel would see to that in the background; our stack ends with the command.
   */
  async settled(): Promise<void> {
    const { runtime } = this;
    runtime.ref();
    try {
      while (this.hasUnfinished()) await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLISECONDS));
    } finally {
      runtime.unref();
    }
  }

  /**
   * Waits for `work` on an open connection. A link that fails meanwhile fails it, unless what had arrived was all that was
   * missing: a peer that is done closes its end, and what it has sent may still have to be read.
   */
  async finish(work: Promise<void>): Promise<void> {
    const lost = this.failed.catch((failure: unknown) => {
      if (this.hasUnfinished()) throw failure;
      return work;
    });
    await Promise.race([work, lost]);
  }

  /** Resolves when nothing moves any more. Who reads slowly is waited for: what it reads may make room for an end that came. */
  private async idle(): Promise<void> {
    let before = -1;
    for (let looks = 0; looks < IDLE_LOOKS; looks++) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
      let unread = 0;
      let received = 0;
      for (const { unreadBytes, counters } of this.host.stack.connections()) {
        unread += unreadBytes;
        received += counters.bytesReceived;
      }
      if (unread > 0 || received !== before) looks = 0;
      before = received;
    }
  }

  private hasUnfinished(): boolean {
    for (const { state } of this.host.stack.connections()) {
      if (state !== TcpState.CLOSED && state !== TcpState.TIME_WAIT) return true;
    }
    return false;
  }

  /** Resets what is open, and removes the link. */
  async close(): Promise<void> {
    this.host.close();
    this.runtime.close();
    await this.link.port.close();
    this.capture?.close();
    const failure = this.capture?.failure ?? null;
    if (failure !== null) console.error(`chimney: ${failure}`);
  }
}

/** A locally administered address, the same at every start: 02:00 and the (last) 32 bits of the IP address. */
function macAddressFor(address: IpAddress): MacAddress {
  const word = address.family === 4 ? address.word0 : address.word3;
  return MacAddress.fromBytes(Uint8Array.of(2, 0, word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff));
}

async function openLink(name: LinkName, options: LinkOptions): Promise<OpenLink> {
  // A capture is to show what crosses the wire: whole segments with their checksums.
  const coalesce = options.pcap === undefined;
  const offload = options.segmentation && coalesce;
  const { mtu } = options;
  if (name.kind === 'stream') return { port: await openStream(name.name, mtu), macAddress: null, stepped: false };
  const linux = await loadLinux();
  try {
    if (name.kind === 'tap') {
      return { port: linux.openTap(name.name, { mtu, offload, coalesce }), macAddress: null, stepped: true };
    }
    if (mtu !== undefined) throw new UsageError('A macvtap has the MTU of its interface: set it with ip link.');
    const { link, macAddress } = linux.openMacvtap(name.name, { offload, coalesce });
    return { port: link, macAddress: MacAddress.fromBytes(macAddress), stepped: true };
  } catch (error) {
    throw new UsageError(describeOpenFailure(name, error));
  }
}

async function loadLinux(): Promise<typeof import('../linux/index.ts')> {
  if (process.platform !== 'linux')
    throw new UsageError('TAP and macvtap are Linux interfaces: use a stream link here.');
  try {
    return await import('../linux/index.ts');
  } catch (error) {
    throw new UsageError(`System calls are not available here (${(error as Error).message}): use a stream link.`);
  }
}

async function openStream(name: string, mtu: number | undefined): Promise<StreamLink> {
  const listening = name.startsWith('listen:');
  const path = listening ? name.slice('listen:'.length) : name;
  try {
    return await StreamLink.open({ path, mtu, role: listening ? 'listen' : 'connect' });
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ECONNREFUSED':
        throw new UsageError(`Nobody listens on ${path}: start the other end first, or use stream:listen:${path}.`);
      case 'ENOTSOCK':
        throw new UsageError(`${path} is no socket: name the socket of the other end.`);
      case 'EADDRINUSE':
        throw new UsageError(`${path} exists already: remove it if nobody uses it, or choose another path.`);
      default:
        throw new UsageError(describeSystemError(error, path));
    }
  }
}

function describeOpenFailure(name: LinkName, error: unknown): string {
  const { code, path, message } = error as NodeJS.ErrnoException;
  const { syscall } = error as { syscall?: string };
  if (error instanceof UsageError || error instanceof RangeError) return message;
  switch (code) {
    case 'EPERM':
    case 'EACCES':
      return `${name.kind}:${name.name} may not be opened by this user (${code}): run as root, or with CAP_NET_ADMIN.`;
    case 'ENOENT':
    case 'ENXIO':
      if (path === '/dev/net/tun') {
        return '/dev/net/tun does not exist: load the module tun, or give the device to this container.';
      }
      return `${path ?? name.name} does not exist: the device of the interface must be visible here.`;
    case 'ENODEV':
      return name.kind === 'macvtap' && syscall !== 'open'
        ? `There is no interface ${name.name}: make it with ip link add link ETH name ${name.name} type macvtap.`
        : `The kernel has no ${name.kind} interfaces (ENODEV): load the module tun.`;
    case 'EBUSY':
      return `The interface ${name.name} is in use by another process: choose another name.`;
    case 'EINVAL':
      return syscall === 'ioctl SIOCSIFMTU'
        ? `The interface ${name.name} cannot have this MTU: choose a smaller one.`
        : `${name.name} is an interface already, and no ${name.kind}: choose another name.`;
    default:
      return `${name.kind}:${name.name} cannot be opened: ${message}`;
  }
}

function describeLoss(name: string, error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EBADFD' || code === 'ENODEV') return `The interface ${name} is gone: somebody has deleted it.`;
  return `The link ${name} has failed: ${error.message}`;
}
