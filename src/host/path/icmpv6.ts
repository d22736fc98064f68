/**
 * ICMPv6: echo is answered (RFC 4443 section 4.2), errors about our segments are believed only when the segment that they
 * quote is in flight (RFC 5927 section 4.1), and even then never end an established connection. Neighbor Discovery goes to
 * `framing/`. What we have to say about datagrams that we drop is limited (RFC 4443 section 2.4 (f)).
 */
import {
  addressOfIpv6,
  DropReason,
  type EthernetHeader,
  ICMPV6_HEADER_LENGTH,
  ICMPV6_MAXIMUM_QUOTATION,
  Icmpv6EmbeddedSegment,
  Icmpv6Message,
  Icmpv6TimeExceededCode,
  Icmpv6Type,
  Icmpv6UnreachableCode,
  IPV6_MINIMUM_MTU,
  IpAddress,
  type IpPacket,
  IpProtocol,
  ParameterProblemCode,
  parseIcmpv6,
  parseIcmpv6EmbeddedSegment,
  writeIcmpv6Echo,
  writeIcmpv6Error,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import type { MulticastListener } from '../framing/multicast-listener.ts';
import type { NeighborDiscovery } from '../framing/neighbor-discovery.ts';
import { RateLimit } from '../rate-limit.ts';
import { IcmpError, type IcmpReceiver } from './icmp-error.ts';
import type { IpOutput } from './output.ts';

/** Echo replies a second; more would make us a useful reflector. */
const ECHO_REPLIES_PER_SECOND = 100;
/** Errors a second. */
const ERRORS_PER_SECOND = 50;

export class Icmpv6 {
  private readonly core: HostCore;
  private readonly output: IpOutput;
  private readonly discovery: NeighborDiscovery;
  private readonly listener: MulticastListener;
  private readonly receiver: IcmpReceiver;
  private readonly message = new Icmpv6Message();
  private readonly embedded = new Icmpv6EmbeddedSegment();
  private readonly echoLimit = new RateLimit(ECHO_REPLIES_PER_SECOND);
  private readonly errorLimit = new RateLimit(ERRORS_PER_SECOND);

  constructor(
    core: HostCore,
    output: IpOutput,
    discovery: NeighborDiscovery,
    listener: MulticastListener,
    receiver: IcmpReceiver,
  ) {
    this.core = core;
    this.output = output;
    this.discovery = discovery;
    this.listener = listener;
    this.receiver = receiver;
  }

  /** One ICMPv6 datagram for us, or for a group of ours. */
  arrives(frame: Uint8Array, packet: IpPacket, ethernet: EthernetHeader, wasFragmented: boolean): void {
    const { message } = this;
    const { payloadOffset, payloadLength } = packet;
    const sum = packet.pseudoHeaderSum(IpProtocol.ICMPV6, payloadLength);
    const reason = parseIcmpv6(frame, payloadOffset, payloadLength, sum, message);
    const dropped = reason !== DropReason.NONE ? reason : this.process(frame, packet, ethernet, wasFragmented);
    if (dropped !== DropReason.NONE) this.core.drops.count(dropped);
  }

  /** Tells the sender of a datagram what was wrong with it (RFC 4443 section 3.4). */
  parameterProblem(frame: Uint8Array, offset: number, packet: IpPacket, code: number, pointer: number): void {
    if (code === ParameterProblemCode.NONE || this.isUnanswerable(packet)) return;
    const quotation = frame.subarray(offset, offset + Math.min(packet.totalLength, ICMPV6_MAXIMUM_QUOTATION));
    this.sendError(packet.destination, packet.source, Icmpv6Type.PARAMETER_PROBLEM, code, pointer, quotation);
  }

  /** A datagram did not become whole in time: `quotation` is its first fragment, from the IPv6 header on. */
  reassemblyTimedOut(quotation: Uint8Array): void {
    const source = IpAddress.fromBytes(6, quotation, 8);
    const destination = IpAddress.fromBytes(6, quotation, 24);
    const { TIME_EXCEEDED } = Icmpv6Type;
    this.sendError(destination, source, TIME_EXCEEDED, Icmpv6TimeExceededCode.REASSEMBLY, 0, quotation);
  }

  private process(frame: Uint8Array, packet: IpPacket, ethernet: EthernetHeader, wasFragmented: boolean): DropReason {
    switch (this.message.type) {
      case Icmpv6Type.ECHO_REQUEST:
        return this.answerEcho(frame, packet);
      case Icmpv6Type.DESTINATION_UNREACHABLE:
      case Icmpv6Type.PACKET_TOO_BIG:
      case Icmpv6Type.TIME_EXCEEDED:
      case Icmpv6Type.PARAMETER_PROBLEM:
        return this.processError(frame);
      case Icmpv6Type.LISTENER_QUERY:
        return this.listener.queried(frame, packet);
      case Icmpv6Type.ROUTER_ADVERTISEMENT:
      case Icmpv6Type.ROUTER_SOLICITATION:
      case Icmpv6Type.NEIGHBOR_ADVERTISEMENT:
      case Icmpv6Type.NEIGHBOR_SOLICITATION:
      case Icmpv6Type.REDIRECT:
        return this.discovery.arrives(frame, packet, ethernet, wasFragmented);
      default:
        return DropReason.ICMP_TYPE;
    }
  }

  private answerEcho(frame: Uint8Array, packet: IpPacket): DropReason {
    const { message, core } = this;
    const destination = packet.source;
    if (destination.isUnspecified) return DropReason.IPV6_SOURCE;
    if (!this.echoLimit.take(core.tcp.now)) return DropReason.NONE;
    const source = this.sourceOfAnswer(packet.destination, destination);
    if (source === null) return DropReason.NONE;
    const data = frame.subarray(message.payloadOffset, message.payloadOffset + message.payloadLength);
    const { identifier, sequence } = message;
    core.statistics.echoRepliesSent++;
    this.output.sendIcmpv6(source, destination, ICMPV6_HEADER_LENGTH + data.length, (reply, offset) => {
      writeIcmpv6Echo(reply, offset, source, destination, Icmpv6Type.ECHO_REPLY, identifier, sequence, data);
    });
    return DropReason.NONE;
  }

  private processError(frame: Uint8Array): DropReason {
    const { message, embedded, core } = this;
    const reason = parseIcmpv6EmbeddedSegment(frame, message.payloadOffset, message.payloadLength, embedded);
    if (reason !== DropReason.NONE) return reason;
    const { ip, sourcePort, destinationPort, sequence } = embedded;
    if (ip.protocol !== IpProtocol.TCP) return DropReason.ICMP_EMBEDDED;
    const source = addressOfIpv6(ip, 'source');
    if (!core.interface.isOwn(source)) return DropReason.ICMP_EMBEDDED;
    const error = this.classify();
    if (error === null) return DropReason.ICMP_TYPE;
    const destination = addressOfIpv6(ip, 'destination');
    // Nothing smaller than the least MTU is believed (RFC 8201 section 4).
    const pathMtu = error === IcmpError.PACKET_TOO_BIG ? Math.max(message.parameter, IPV6_MINIMUM_MTU) : 0;
    this.receiver.icmpError(error, { source, sourcePort, destination, destinationPort, sequence }, pathMtu);
    return DropReason.NONE;
  }

  private classify(): IcmpError | null {
    const { type, code } = this.message;
    if (type === Icmpv6Type.PACKET_TOO_BIG) return IcmpError.PACKET_TOO_BIG;
    if (type === Icmpv6Type.TIME_EXCEEDED) return IcmpError.TIME_EXCEEDED;
    if (type === Icmpv6Type.PARAMETER_PROBLEM) {
      return code === ParameterProblemCode.UNRECOGNIZED_NEXT_HEADER
        ? IcmpError.PORT_UNREACHABLE
        : IcmpError.PARAMETER_PROBLEM;
    }
    if (code === Icmpv6UnreachableCode.PORT) return IcmpError.PORT_UNREACHABLE;
    return code <= Icmpv6UnreachableCode.REJECT_ROUTE ? IcmpError.HOST_UNREACHABLE : null;
  }

  /** Errors about errors, and to nobody, are never sent (RFC 4443 section 2.4 (e)). */
  private isUnanswerable(packet: IpPacket): boolean {
    const { source } = packet;
    return source.isUnspecified || source.isMulticast;
  }

  private sendError(
    to: IpAddress,
    destination: IpAddress,
    type: number,
    code: number,
    parameter: number,
    quotation: Uint8Array,
  ): void {
    const { core } = this;
    if (isAboutError(quotation) || !this.errorLimit.take(core.tcp.now)) return;
    const source = this.sourceOfAnswer(to, destination);
    if (source === null) return;
    core.statistics.icmpErrorsSent++;
    this.output.sendIcmpv6(source, destination, ICMPV6_HEADER_LENGTH + quotation.length, (answer, offset) => {
      writeIcmpv6Error(answer, offset, source, destination, type, code, parameter, quotation);
    });
  }

  /** The address that was written to, or for a group one of ours (RFC 4443 section 2.2). */
  private sourceOfAnswer(to: IpAddress, destination: IpAddress): IpAddress | null {
    if (!to.isMulticast) return to;
    const entry = this.core.interface.sourceFor(destination);
    return entry?.isAssigned === true ? entry.address : null;
  }
}

/** Whether a quoted datagram is an ICMPv6 error, as far as its first header tells. */
function isAboutError(quotation: Uint8Array): boolean {
  return quotation.length > 40 && quotation[6] === IpProtocol.ICMPV6 && quotation[40] < 128;
}
