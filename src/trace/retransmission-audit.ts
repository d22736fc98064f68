/**
 * Watches the frames of a wire and says of every retransmission why it happened: because the wire lost, damaged or
 * delayed something of the connection, because the connection moved, or for no visible reason.
 */
import {
  DropReason,
  EtherType,
  EthernetHeader,
  Ipv4Header,
  IpProtocol,
  parseEthernet,
  parseIpv4,
  parseTcp,
  TcpFlag,
  TcpHeader,
} from '../wire/index.ts';

/** Counts of one audit, segments. */
export interface RetransmissionCounts {
  /** Segments that carried at least one byte (or a SYN or FIN) sent before. */
  total: number;
  /** The wire had lost, damaged or reordered a frame of the connection since the byte was first sent. */
  explainedByWire: number;
  /** Not explained by the wire, and the connection had moved since the byte was first sent. */
  causedByMoves: number;
  /** Neither. */
  unexplained: number;
}

/** A stretch of sequence space that was sent once: with what was known then. */
interface SentRange {
  readonly start: number;
  readonly end: number;
  readonly impairments: number;
  readonly moves: number;
}

/** One direction of one connection. */
class Direction {
  /** Everything sent and not yet acknowledged, oldest first. */
  readonly ranges: SentRange[] = [];
  highest = 0;
  started = false;
}

/** One connection: both directions share what the wire did to them. */
class Conversation {
  impairments = 0;
  moves = 0;
  readonly directions = new Map<string, Direction>();

  direction(name: string): Direction {
    let direction = this.directions.get(name);
    if (direction === undefined) {
      direction = new Direction();
      this.directions.set(name, direction);
    }
    return direction;
  }
}

export class RetransmissionAudit {
  readonly counts: RetransmissionCounts = { total: 0, explainedByWire: 0, causedByMoves: 0, unexplained: 0 };
  /** Segments with RST. */
  resets = 0;
  private readonly conversations = new Map<string, Conversation>();
  private readonly ethernet = new EthernetHeader();
  private readonly ip = new Ipv4Header();
  private readonly tcp = new TcpHeader();

  /** A connection changed its owner: `port` is the port that tells it from others on either side. */
  moved(port: number): void {
    for (const [key, conversation] of this.conversations) {
      if (key.split('-').includes(String(port))) conversation.moves++;
    }
  }

  /** A frame was sent. `impaired` says that the wire lost, damaged, delayed or doubled it. Frames that are not TCP are ignored. */
  frame(frame: Uint8Array, impaired: boolean): void {
    if (!this.parse(frame)) return;
    const { tcp } = this;
    if (tcp.flags & TcpFlag.RST) this.resets++;
    const conversation = this.conversation(tcp.sourcePort, tcp.destinationPort);
    const length = tcp.payloadLength + (tcp.flags & TcpFlag.SYN ? 1 : 0) + (tcp.flags & TcpFlag.FIN ? 1 : 0);
    if (length > 0) this.sent(conversation, conversation.direction(`${tcp.sourcePort}`), tcp.sequence, length);
    if (tcp.flags & TcpFlag.ACK) release(conversation.direction(`${tcp.destinationPort}`), tcp.acknowledgment);
    if (impaired) conversation.impairments++;
  }

  private sent(conversation: Conversation, direction: Direction, start: number, length: number): void {
    const end = (start + length) | 0;
    if (!direction.started || ((start - direction.highest) | 0) >= 0) {
      direction.started = true;
      direction.highest = end;
      direction.ranges.push({ start, end, impairments: conversation.impairments, moves: conversation.moves });
      return;
    }
    this.counts.total++;
    const first = direction.ranges.find((range) => ((range.end - start) | 0) > 0);
    if (first === undefined || conversation.impairments > first.impairments) this.counts.explainedByWire++;
    else if (conversation.moves > first.moves) this.counts.causedByMoves++;
    else this.counts.unexplained++;
    if (((end - direction.highest) | 0) > 0) {
      direction.ranges.push({
        start: direction.highest,
        end,
        impairments: conversation.impairments,
        moves: conversation.moves,
      });
      direction.highest = end;
    }
  }

  private conversation(a: number, b: number): Conversation {
    const key = a < b ? `${a}-${b}` : `${b}-${a}`;
    let conversation = this.conversations.get(key);
    if (conversation === undefined) {
      conversation = new Conversation();
      this.conversations.set(key, conversation);
    }
    return conversation;
  }

  private parse(frame: Uint8Array): boolean {
    if (parseEthernet(frame, 0, frame.length, this.ethernet) !== DropReason.NONE) return false;
    if (this.ethernet.etherType !== EtherType.IPV4) return false;
    const { payloadOffset } = this.ethernet;
    if (parseIpv4(frame, payloadOffset, frame.length - payloadOffset, this.ip) !== DropReason.NONE) return false;
    if (this.ip.protocol !== IpProtocol.TCP || this.ip.isFragment) return false;
    return parseTcp(frame, this.ip.payloadOffset, this.ip.payloadLength, this.tcp) === DropReason.NONE;
  }
}

/**
 * What has been acknowledged is forgotten a little later: an acknowledgment that is lost makes the sender repeat what
 * the peer already holds, and the reason for that must still be known.
 */
const KEPT_RANGES = 4096;

function release(direction: Direction, acknowledgment: number): void {
  if (direction.ranges.length < 2 * KEPT_RANGES) return;
  const { ranges } = direction;
  let acknowledged = 0;
  while (acknowledged < ranges.length && ((ranges[acknowledged].end - acknowledgment) | 0) <= 0) acknowledged++;
  const forget = Math.min(acknowledged, ranges.length - KEPT_RANGES);
  if (forget > 0) ranges.splice(0, forget);
}
