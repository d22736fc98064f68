/**
 * ICMP for IPv4: echo is answered (RFC 1122 section 3.2.2.6), errors about our segments are believed only when the
 * segment that they quote is in flight (RFC 5927 section 4.1), and even then never end an established connection
 * (RFC 5927 section 5.2).
 */
import {
  DropReason,
  EmbeddedSegment,
  finalDestination,
  findSourceRoute,
  ICMPV4_HEADER_LENGTH,
  ICMPV4_QUOTED_PAYLOAD,
  Icmpv4Message,
  Icmpv4Type,
  IpAddress,
  type IpPacket,
  IpProtocol,
  isCompleted,
  parseEmbeddedSegment,
  parseIcmpv4,
  UnreachableCode,
  writeIcmpv4Echo,
  writeIcmpv4Error,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { RateLimit } from '../rate-limit.ts';
import { IcmpError, type IcmpReceiver } from './icmp-error.ts';
import type { IpOutput } from './output.ts';

/** Echo replies a second; more would make us a useful reflector. */
const ECHO_REPLIES_PER_SECOND = 100;
/** Errors a second. */
const ERRORS_PER_SECOND = 50;
/** Code of "time exceeded" for reassembly (RFC 792). */
const REASSEMBLY_TIME_EXCEEDED = 1;

/** Path MTUs of RFC 1191 section 7, for routers that do not say theirs. */
const PLATEAUS = [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 576] as const;

export class Icmp {
  private readonly core: HostCore;
  private readonly output: IpOutput;
  private readonly receiver: IcmpReceiver;
  private readonly message = new Icmpv4Message();
  private readonly embedded = new EmbeddedSegment();
  private readonly echoLimit = new RateLimit(ECHO_REPLIES_PER_SECOND);
  private readonly errorLimit = new RateLimit(ERRORS_PER_SECOND);

  constructor(core: HostCore, output: IpOutput, receiver: IcmpReceiver) {
    this.core = core;
    this.output = output;
    this.receiver = receiver;
  }

  /** One ICMP datagram for us. */
  arrives(frame: Uint8Array, ip: IpPacket): void {
    const { message } = this;
    const reason = parseIcmpv4(frame, ip.payloadOffset, ip.payloadLength, message);
    const dropped = reason !== DropReason.NONE ? reason : this.process(frame, ip);
    if (dropped !== DropReason.NONE) this.core.drops.count(dropped);
  }

  /** A datagram did not become whole in time: `quotation` is its first fragment, from the IPv4 header on (RFC 1122 3.3.2). */
  reassemblyTimedOut(quotation: Uint8Array): void {
    const { core } = this;
    // Never about another ICMP error, nor to a group (RFC 1122 section 3.2.2).
    if (quotation[9] === IpProtocol.ICMPV4 || !this.errorLimit.take(core.tcp.now)) return;
    const headerLength = (quotation[0] & 15) << 2;
    const quoted = quotation.subarray(0, headerLength + ICMPV4_QUOTED_PAYLOAD);
    const source = IpAddress.fromBytes(4, quotation, 16);
    core.statistics.icmpErrorsSent++;
    const destination = IpAddress.fromBytes(4, quotation, 12);
    this.output.sendIcmp(source, destination, ICMPV4_HEADER_LENGTH + quoted.length, (answer, offset) => {
      writeIcmpv4Error(answer, offset, Icmpv4Type.TIME_EXCEEDED, REASSEMBLY_TIME_EXCEEDED, 0, quoted);
    });
  }

  private process(frame: Uint8Array, ip: IpPacket): DropReason {
    switch (this.message.type) {
      case Icmpv4Type.ECHO_REQUEST:
        this.answerEcho(frame, ip);
        return DropReason.NONE;
      case Icmpv4Type.DESTINATION_UNREACHABLE:
      case Icmpv4Type.TIME_EXCEEDED:
      case Icmpv4Type.PARAMETER_PROBLEM:
        return this.processError(frame);
      default:
        // Redirects and source quench are not obeyed (RFC 9293 MUST-55, RFC 5927 section 6, RFC 6633).
        return DropReason.ICMP_TYPE;
    }
  }

  private answerEcho(frame: Uint8Array, ip: IpPacket): void {
    const { message } = this;
    if (!this.echoLimit.take(this.core.tcp.now)) return;
    const data = frame.subarray(message.payloadOffset, message.payloadOffset + message.payloadLength);
    const { identifier, sequence } = message;
    this.core.statistics.echoRepliesSent++;
    this.output.sendIcmp(ip.destination, ip.source, ICMPV4_HEADER_LENGTH + data.length, (reply, offset) => {
      writeIcmpv4Echo(reply, offset, Icmpv4Type.ECHO_REPLY, identifier, sequence, data);
    });
  }

  private processError(frame: Uint8Array): DropReason {
    const { message, embedded } = this;
    const reason = parseEmbeddedSegment(frame, message.payloadOffset, message.payloadLength, embedded);
    if (reason !== DropReason.NONE) return reason;
    const source = IpAddress.fromWords(4, embedded.ip.source);
    if (!this.core.interface.isOwn(source) || embedded.ip.protocol !== IpProtocol.TCP) return DropReason.ICMP_EMBEDDED;
    const error = this.classify();
    if (error === null) return DropReason.ICMP_TYPE;
    const isMtu = error === IcmpError.PACKET_TOO_BIG;
    const pathMtu = isMtu ? nextMtu(message.nextHopMtu, embedded.ip.totalLength) : 0;
    const { sourcePort, destinationPort, sequence } = embedded;
    const destination = IpAddress.fromWords(4, this.quotedDestination(frame));
    this.receiver.icmpError(error, { source, sourcePort, destination, destinationPort, sequence }, pathMtu);
    return DropReason.NONE;
  }

  /** Where the quoted datagram was going in the end: a source route leads over other destinations (RFC 791 section 3.1). */
  private quotedDestination(frame: Uint8Array): number {
    const { destination, headerLength } = this.embedded.ip;
    const option = findSourceRoute(frame, this.message.payloadOffset, headerLength);
    return option < 0 || isCompleted(frame, option) ? destination : finalDestination(frame, option);
  }

  private classify(): IcmpError | null {
    if (this.message.type === Icmpv4Type.TIME_EXCEEDED) return IcmpError.TIME_EXCEEDED;
    if (this.message.type === Icmpv4Type.PARAMETER_PROBLEM) return IcmpError.PARAMETER_PROBLEM;
    switch (this.message.code) {
      case UnreachableCode.FRAGMENTATION_NEEDED:
        return IcmpError.PACKET_TOO_BIG;
      case UnreachableCode.PORT:
      case UnreachableCode.PROTOCOL:
        return IcmpError.PORT_UNREACHABLE;
      case UnreachableCode.NETWORK:
      case UnreachableCode.HOST:
      case UnreachableCode.SOURCE_ROUTE_FAILED:
      case UnreachableCode.ADMINISTRATIVELY_PROHIBITED:
        return IcmpError.HOST_UNREACHABLE;
      default:
        return null;
    }
  }
}

/** The MTU that a router announced; from an old router the next plateau below the datagram's size (RFC 1191 section 5). */
function nextMtu(announced: number, datagramLength: number): number {
  if (announced > 0) return announced;
  return PLATEAUS.find((plateau) => plateau < datagramLength) ?? 576;
}
