/** Datagrams on their way out: the frame is built for the path and goes to its neighbor. */
import {
  buildTcpFrame,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  type FrameRoute,
  IPV4_HEADER_LENGTH,
  IPV6_HEADER_LENGTH,
  type IpAddress,
  IpProtocol,
  Ipv4Header,
  MacAddress,
  type PayloadSource,
  routeHeaderLength,
  type TcpHeader,
  withSourceRoute,
  writeEthernet,
  writeIpv4,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { icmpv6Frame } from '../framing/ndp-frame.ts';
import type { Neighbor } from '../framing/neighbor.ts';
import type { NeighborCache } from '../framing/neighbor-cache.ts';
import { fragmentsOf } from './fragmentation.ts';
import type { Path } from './path.ts';
import type { PathTable } from './path-table.ts';

const DEFAULT_TTL = 64;

export class IpOutput {
  private readonly core: HostCore;
  private readonly neighbors: NeighborCache;
  private readonly paths: PathTable;
  private readonly scratch = new Ipv4Header();
  private readonly route: FrameRoute;

  constructor(core: HostCore, neighbors: NeighborCache, paths: PathTable) {
    this.core = core;
    this.neighbors = neighbors;
    this.paths = paths;
    this.route = {
      destination: MacAddress.ZERO.bytes,
      source: core.interface.macAddress.bytes,
      vlanId: 0,
      userPriority: 0,
      sourceAddress: core.interface.address,
      destinationAddress: core.interface.address,
      ttl: DEFAULT_TTL,
      typeOfService: 0,
      flowLabel: 0,
    };
  }

  /**
   * Sends one segment of a connection. The payload is copied into the frame; `header` may be reused afterwards.
   *
   * @param segmentSize bytes of text that a packet of the connection may have: an adapter that cuts segments needs it
   */
  sendSegment(
    path: Path,
    header: TcpHeader,
    payload: PayloadSource | null,
    payloadOffset: number,
    payloadLength: number,
    ttl: number,
    typeOfService: number,
    flowLabel: number,
    segmentSize: number,
  ): void {
    const { route, neighbor } = path;
    route.destination = neighbor.macAddress.bytes;
    route.ttl = ttl;
    route.typeOfService = typeOfService;
    route.flowLabel = flowLabel;
    const { buffers } = this.core;
    // Nobody below us cuts, or sums, what has IP options.
    const taskOffload = this.core.interface.taskOffload && path.sourceRoute === null;
    const id = this.core.identification();
    const frame = buildTcpFrame(buffers, route, id, header, payload, payloadOffset, payloadLength, taskOffload);
    if (path.sourceRoute !== null) {
      const linkLength = routeHeaderLength(route) - IPV4_HEADER_LENGTH;
      this.neighbors.output(neighbor, withSourceRoute(buffers, frame, linkLength, path.sourceRoute));
      return;
    }
    this.neighbors.output(neighbor, frame, taskOffload ? Math.max(1, segmentSize) : 0);
  }

  /** Sends a segment without payload that belongs to no connection: a reset to nobody, a SYN-ACK that nobody remembers. */
  sendAlone(source: IpAddress, destination: IpAddress, header: TcpHeader): void {
    const neighbor = this.neighborTowards(destination);
    if (neighbor === null) return;
    this.route.destination = neighbor.macAddress.bytes;
    this.route.sourceAddress = source;
    this.route.destinationAddress = destination;
    const frame = buildTcpFrame(this.core.buffers, this.route, this.core.identification(), header, null, 0, 0);
    this.neighbors.output(neighbor, frame);
  }

  /**
   * Sends an ICMP message over IPv4. `write` puts it into the frame at the given offset; it must fill exactly `length` bytes.
   * What the link does not take whole leaves in fragments.
   */
  sendIcmp(
    source: IpAddress,
    destination: IpAddress,
    length: number,
    write: (frame: Uint8Array, offset: number) => void,
  ): void {
    const neighbor = this.neighborTowards(destination);
    if (neighbor === null) return;
    const { macAddress } = this.core.interface;
    const frame = this.core.buffers.allocate(ETHERNET_HEADER_LENGTH + IPV4_HEADER_LENGTH + length);
    writeEthernet(frame, 0, neighbor.macAddress.bytes, macAddress.bytes, EtherType.IPV4, 0, 0);
    const ip = this.scratch;
    ip.source = source.word0;
    ip.destination = destination.word0;
    ip.identification = this.core.identification();
    ip.dontFragment = false;
    ip.ttl = DEFAULT_TTL;
    ip.protocol = IpProtocol.ICMPV4;
    ip.totalLength = IPV4_HEADER_LENGTH + length;
    writeIpv4(ip, frame, ETHERNET_HEADER_LENGTH);
    write(frame, ETHERNET_HEADER_LENGTH + IPV4_HEADER_LENGTH);
    this.sendFragmented(neighbor, frame, 4, ip.identification);
  }

  /** As `sendIcmp`, over IPv6. */
  sendIcmpv6(
    source: IpAddress,
    destination: IpAddress,
    length: number,
    write: (frame: Uint8Array, offset: number) => void,
  ): void {
    const neighbor = this.neighborTowards(destination);
    if (neighbor === null) return;
    const { core } = this;
    const { hopLimit } = core.interface;
    const frame = icmpv6Frame(core, neighbor.macAddress.bytes, source, destination, hopLimit, length);
    write(frame, ETHERNET_HEADER_LENGTH + IPV6_HEADER_LENGTH);
    this.sendFragmented(neighbor, frame, 6, core.fragmentIdentification());
  }

  private sendFragmented(neighbor: Neighbor, frame: Uint8Array, family: 4 | 6, identification: number): void {
    const { buffers, interface: link } = this.core;
    for (const fragment of fragmentsOf(buffers, frame, family, link.mtuOf(family), identification)) {
      this.neighbors.output(neighbor, fragment);
    }
  }

  private neighborTowards(destination: IpAddress): Neighbor | null {
    if (!this.paths.isUnicast(destination)) return null;
    const hop = this.paths.nextHop(destination);
    return hop === null ? null : this.neighbors.obtain(hop);
  }
}
