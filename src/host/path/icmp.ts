/**
 * ICMP for IPv4: echo is answered (RFC 1122 section 3.2.2.6), errors about our segments are believed only when the
 * segment that they quote is in flight (RFC 5927 section 4.1), and even then never end an established connection
 * (RFC 5927 section 5.2).
 */
import {
  DropReason,
  EmbeddedSegment,
  ICMPV4_HEADER_LENGTH,
  Icmpv4Message,
  Icmpv4Type,
  IpAddress,
  IpProtocol,
  type Ipv4Header,
  parseEmbeddedSegment,
  parseIcmpv4,
  UnreachableCode,
  writeIcmpv4Echo,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { RateLimit } from '../rate-limit.ts';
import type { IpOutput } from './output.ts';

/** Echo replies a second; more would make us a useful reflector. */
const ECHO_REPLIES_PER_SECOND = 100;

/** Path MTUs of RFC 1191 section 7, for routers that do not say theirs. */
const PLATEAUS = [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 576] as const;

/** What an ICMP error says about one of our segments. */
export const IcmpError = {
  FRAGMENTATION_NEEDED: 0,
  HOST_UNREACHABLE: 1,
  PORT_UNREACHABLE: 2,
  TIME_EXCEEDED: 3,
} as const;
export type IcmpError = (typeof IcmpError)[keyof typeof IcmpError];

/** Where errors go. The quoted segment is not validated against the connection yet. `pathMtu` 0: not that error. */
export interface IcmpReceiver {
  icmpError(error: IcmpError, segment: EmbeddedSegment, pathMtu: number): void;
}

export class Icmp {
  private readonly core: HostCore;
  private readonly output: IpOutput;
  private readonly receiver: IcmpReceiver;
  private readonly message = new Icmpv4Message();
  private readonly embedded = new EmbeddedSegment();
  private readonly echoLimit = new RateLimit(ECHO_REPLIES_PER_SECOND);

  constructor(core: HostCore, output: IpOutput, receiver: IcmpReceiver) {
    this.core = core;
    this.output = output;
    this.receiver = receiver;
  }

  /** One ICMP datagram for us. */
  arrives(frame: Uint8Array, ip: Ipv4Header): void {
    const { message } = this;
    const reason = parseIcmpv4(frame, ip.payloadOffset, ip.payloadLength, message);
    const dropped = reason !== DropReason.NONE ? reason : this.process(frame, ip);
    if (dropped !== DropReason.NONE) this.core.drops.count(dropped);
  }

  private process(frame: Uint8Array, ip: Ipv4Header): DropReason {
    switch (this.message.type) {
      case Icmpv4Type.ECHO_REQUEST:
        this.answerEcho(frame, ip);
        return DropReason.NONE;
      case Icmpv4Type.DESTINATION_UNREACHABLE:
      case Icmpv4Type.TIME_EXCEEDED:
        return this.processError(frame);
      default:
        // Redirects and source quench are not obeyed (RFC 5927 section 6, RFC 6633).
        return DropReason.ICMP_TYPE;
    }
  }

  private answerEcho(frame: Uint8Array, ip: Ipv4Header): void {
    const { message } = this;
    const { mtu } = this.core.interface;
    if (ip.totalLength > mtu || !this.echoLimit.take(this.core.tcp.now)) return;
    const data = frame.subarray(message.payloadOffset, message.payloadOffset + message.payloadLength);
    const { identifier, sequence } = message;
    this.core.statistics.echoRepliesSent++;
    const source = IpAddress.fromWords(4, ip.source);
    this.output.sendIcmp(source, ICMPV4_HEADER_LENGTH + data.length, (reply, offset) => {
      writeIcmpv4Echo(reply, offset, Icmpv4Type.ECHO_REPLY, identifier, sequence, data);
    });
  }

  private processError(frame: Uint8Array): DropReason {
    const { message, embedded } = this;
    const reason = parseEmbeddedSegment(frame, message.payloadOffset, message.payloadLength, embedded);
    if (reason !== DropReason.NONE) return reason;
    if (embedded.ip.source !== this.core.interface.address.word0 || embedded.ip.protocol !== IpProtocol.TCP) {
      return DropReason.ICMP_EMBEDDED;
    }
    const error = this.classify();
    if (error === null) return DropReason.ICMP_TYPE;
    const isMtu = error === IcmpError.FRAGMENTATION_NEEDED;
    const pathMtu = isMtu ? nextMtu(message.nextHopMtu, embedded.ip.totalLength) : 0;
    this.receiver.icmpError(error, embedded, pathMtu);
    return DropReason.NONE;
  }

  private classify(): IcmpError | null {
    if (this.message.type === Icmpv4Type.TIME_EXCEEDED) return IcmpError.TIME_EXCEEDED;
    switch (this.message.code) {
      case UnreachableCode.FRAGMENTATION_NEEDED:
        return IcmpError.FRAGMENTATION_NEEDED;
      case UnreachableCode.PORT:
      case UnreachableCode.PROTOCOL:
        return IcmpError.PORT_UNREACHABLE;
      case UnreachableCode.NETWORK:
      case UnreachableCode.HOST:
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
