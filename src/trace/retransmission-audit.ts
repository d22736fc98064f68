/**
 * Watches the frames of a wire and says of every retransmission why it happened: because the wire lost, damaged or
 * delayed something of the connection, because the connection moved, or for no visible reason.
 */
import {
  DropReason,
  EthernetHeader,
  IpPacket,
  IpProtocol,
  parseEthernet,
  parseIp,
  parseTcp,
  TcpFlag,
  TcpHeader,
} from '../wire/index.ts';

/** Counts of one audit, segments. `total` is the sum of `explainedByWire`, `causedByMoves` and `unexplained`. */
export interface RetransmissionCounts {
  /** Segments that carried at least one byte (or a SYN or FIN) sent before. */
  total: number;
  /** Of those explained by the wire: all transmissions of a byte so far were lost or damaged. */
  replacingLost: number;
  /** The wire had lost, damaged, delayed or doubled a frame of the connection in the flight that the byte belongs to. */
  explainedByWire: number;
  /** Not explained by the wire, and the connection had moved since the byte was first sent. */
  causedByMoves: number;
  /** Neither. */
  unexplained: number;
}

/** A stretch of sequence space that was sent at once: with what was known then. */
interface SentRange {
  readonly start: number;
  readonly end: number;
  /** Impairments of the connection when the oldest byte was sent that was unacknowledged when this range was. */
  readonly impairments: number;
  readonly moves: number;
  /** No transmission of it has reached the peer undamaged. */
  lost: boolean;
}

/** One direction of one connection. */
class Direction {
  /** What was sent, oldest first. Acknowledged ranges are kept for a while: an acknowledgment may get lost. */
  readonly ranges: SentRange[] = [];
  highest = 0;
  started = false;
  /** The highest acknowledgment that the peer has sent; int32. */
  acknowledged = 0;
}

/** One connection, and what the wire and its owners did to it. `forward` is from its lower address and port. */
class Conversation {
  impairments = 0;
  moves = 0;
  readonly forward = new Direction();
  readonly backward = new Direction();
}

/** What became of a frame on the wire. */
export const WireFate = { INTACT: 0, LOST: 1, DISTURBED: 2 } as const;
export type WireFate = (typeof WireFate)[keyof typeof WireFate];

/** Ranges kept after they were acknowledged. */
const KEPT_RANGES = 4096;

/** One audit watches both directions of a wire with any number of connections on it. */
export class RetransmissionAudit {
  readonly counts: RetransmissionCounts = {
    total: 0,
    replacingLost: 0,
    explainedByWire: 0,
    causedByMoves: 0,
    unexplained: 0,
  };
  /** Segments with RST. */
  resets = 0;
  private readonly conversations = new Map<string, Conversation>();
  private readonly ethernet = new EthernetHeader();
  private readonly ip = new IpPacket();
  private readonly tcp = new TcpHeader();

  /** Connections that are being watched. */
  get size(): number {
    return this.conversations.size;
  }

  /** A connection changes its owner: `port` is the port that tells it from others on either side. */
  moved(port: number): void {
    const suffix = `:${port}`;
    for (const [key, conversation] of this.conversations) {
      if (key.endsWith(suffix) || key.includes(`${suffix}-`)) conversation.moves++;
    }
  }

  /**
   * A frame was put on the wire. Frames that are not TCP are ignored.
   *
   * @param fate `LOST`: it does not arrive, or damaged; `DISTURBED`: it arrives late, or twice
   */
  frame(frame: Uint8Array, fate: WireFate): void {
    if (!this.parse(frame)) return;
    const { ip, tcp } = this;
    if (tcp.flags & TcpFlag.RST) this.resets++;
    const isForward = compareEnds(ip, tcp) <= 0;
    const conversation = this.conversation(isForward);
    const sending = isForward ? conversation.forward : conversation.backward;
    const receiving = isForward ? conversation.backward : conversation.forward;
    const length = tcp.payloadLength + (tcp.flags & TcpFlag.SYN ? 1 : 0) + (tcp.flags & TcpFlag.FIN ? 1 : 0);
    if (tcp.flags & TcpFlag.ACK && receiving.started) acknowledge(receiving, tcp.acknowledgment);
    if (length > 0) this.sent(conversation, sending, tcp.sequence, (tcp.sequence + length) | 0, fate);
    if (fate !== WireFate.INTACT) conversation.impairments++;
  }

  private sent(conversation: Conversation, direction: Direction, start: number, end: number, fate: WireFate): void {
    const isLost = fate === WireFate.LOST;
    if (!direction.started) {
      direction.started = true;
      direction.acknowledged = start;
      direction.highest = start;
    }
    if (((start - direction.highest) | 0) < 0) this.retransmitted(conversation, direction, start, end, isLost);
    if (((end - direction.highest) | 0) <= 0) return;
    const oldest = firstAfter(direction, direction.acknowledged);
    direction.ranges.push({
      start: ((start - direction.highest) | 0) < 0 ? direction.highest : start,
      end,
      impairments: oldest === undefined ? conversation.impairments : oldest.impairments,
      moves: conversation.moves,
      lost: isLost,
    });
    direction.highest = end;
  }

  private retransmitted(
    conversation: Conversation,
    direction: Direction,
    start: number,
    end: number,
    isLost: boolean,
  ): void {
    const { counts } = this;
    const { ranges } = direction;
    counts.total++;
    let replacesLost = false;
    let index = indexAfter(direction, start);
    const first = ranges[index];
    for (; index < ranges.length && ((ranges[index].start - end) | 0) < 0; index++) {
      replacesLost ||= ranges[index].lost;
      ranges[index].lost &&= isLost;
    }
    if (replacesLost) counts.replacingLost++;
    // What is older than everything kept was sent in a flight that nothing is known of any more.
    if (first === undefined || replacesLost || conversation.impairments > first.impairments) counts.explainedByWire++;
    else if (conversation.moves > first.moves) counts.causedByMoves++;
    else counts.unexplained++;
  }

  private conversation(isForward: boolean): Conversation {
    const { ip, tcp } = this;
    const key = isForward
      ? `${sourceOf(ip)}:${tcp.sourcePort}-${destinationOf(ip)}:${tcp.destinationPort}`
      : `${destinationOf(ip)}:${tcp.destinationPort}-${sourceOf(ip)}:${tcp.sourcePort}`;
    let conversation = this.conversations.get(key);
    // A new connection with the addresses and ports of an older one starts from scratch.
    const isNew = (tcp.flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN;
    if (conversation !== undefined && isNew) {
      const { started, ranges } = isForward ? conversation.forward : conversation.backward;
      if (started && ranges.length > 0 && ranges[0].start !== tcp.sequence) conversation = undefined;
    }
    if (conversation === undefined) {
      conversation = new Conversation();
      this.conversations.set(key, conversation);
    }
    return conversation;
  }

  private parse(frame: Uint8Array): boolean {
    if (parseEthernet(frame, 0, frame.length, this.ethernet) !== DropReason.NONE) return false;
    const { payloadOffset, etherType } = this.ethernet;
    if (parseIp(frame, payloadOffset, frame.length - payloadOffset, etherType, this.ip) !== DropReason.NONE)
      return false;
    if (this.ip.protocol !== IpProtocol.TCP || this.ip.isFragment) return false;
    return parseTcp(frame, this.ip.payloadOffset, this.ip.payloadLength, this.tcp) === DropReason.NONE;
  }
}

/** Negative when the segment comes from the lower end of its connection: address first, then port. */
function compareEnds(ip: IpPacket, tcp: TcpHeader): number {
  return (
    ip.source0 - ip.destination0 ||
    ip.source1 - ip.destination1 ||
    ip.source2 - ip.destination2 ||
    ip.source3 - ip.destination3 ||
    tcp.sourcePort - tcp.destinationPort
  );
}

function sourceOf(ip: IpPacket): string {
  return `${ip.source0}.${ip.source1}.${ip.source2}.${ip.source3}`;
}

function destinationOf(ip: IpPacket): string {
  return `${ip.destination0}.${ip.destination1}.${ip.destination2}.${ip.destination3}`;
}

/** Index of the first range that ends after `sequence`; the number of ranges when there is none. */
function indexAfter({ ranges }: Direction, sequence: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (((ranges[middle].end - sequence) | 0) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

function firstAfter(direction: Direction, sequence: number): SentRange | undefined {
  return direction.ranges[indexAfter(direction, sequence)];
}

function acknowledge(direction: Direction, acknowledgment: number): void {
  if (((acknowledgment - direction.acknowledged) | 0) <= 0 || ((acknowledgment - direction.highest) | 0) > 0) return;
  direction.acknowledged = acknowledgment;
  const { ranges } = direction;
  if (ranges.length < 2 * KEPT_RANGES) return;
  const forget = Math.min(indexAfter(direction, acknowledgment), ranges.length - KEPT_RANGES);
  if (forget > 0) ranges.splice(0, forget);
}
