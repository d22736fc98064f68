/**
 * The TCP header as numbers: one reusable object that a parser fills and a writer reads (RFC 9293 section 3.1).
 *
 * Sequence numbers and timestamps are int32 (the 32 bits of the wire, read as signed): compare them by wrapping
 * subtraction only. The object is meant to be allocated once per stack and reused for every segment.
 */

/** The control bits of RFC 9293 section 3.1, as they stand in the 14th byte of the header. */
export const TcpFlag = {
  FIN: 0x01,
  SYN: 0x02,
  RST: 0x04,
  PSH: 0x08,
  ACK: 0x10,
  URG: 0x20,
  ECE: 0x40,
  CWR: 0x80,
} as const;

/** The two lowest bits of the type of service or traffic class (RFC 3168 section 5). */
export const EcnCodepoint = {
  /** The transport does not use ECN for the packet. */
  NOT_ECT: 0,
  ECT_1: 1,
  ECT_0: 2,
  /** Congestion experienced. */
  CE: 3,
} as const;

/** Number of SACK blocks that fit into the 40 bytes of TCP options (RFC 2018 section 3). */
export const MAXIMUM_SACK_BLOCKS = 4;

/** How `writeTcp` orders and pads the options of a SYN. */
export type TcpOptionLayout = 'linux' | 'bsd';

/** The parsed, or about to be written, header of one TCP segment. All fields always hold a value. */
export class TcpHeader {
  sourcePort = 0;
  destinationPort = 0;
  /** SEG.SEQ, int32. */
  sequence = 0;
  /** SEG.ACK, int32; meaningless unless `TcpFlag.ACK` is set. */
  acknowledgment = 0;
  /** Control bits, see `TcpFlag`. */
  flags = 0;
  /** SEG.WND as it stands on the wire: 0…65535, not scaled. */
  window = 0;
  urgentPointer = 0;
  /**
   * `EcnCodepoint` of the datagram around the segment: whoever has parsed both headers puts it here, `parseTcp` has no IP
   * header and leaves NOT_ECT; when sending, what the IP header is to say.
   */
  ecn = 0;
  /** Header length in bytes, options included: 20…60. Set by the parser and by the writer. */
  headerLength = 20;

  /** Maximum Segment Size option in bytes, 0 when absent (RFC 9293 section 3.7.1). */
  maximumSegmentSize = 0;
  /** Window scale shift, -1 when absent (RFC 7323 section 2). The parser clamps it to 14. */
  windowScale = -1;
  /** SACK-permitted option present (RFC 2018 section 2). */
  sackPermitted = false;
  /** Timestamps option present (RFC 7323 section 3). */
  hasTimestamp = false;
  /** TSval, int32. */
  timestampValue = 0;
  /** TSecr, int32. */
  timestampEcho = 0;
  /** Number of SACK blocks in `sackLeft` and `sackRight`, 0…4 (RFC 2018 section 3). */
  sackCount = 0;
  /** Left edges (first sequence number of the block), int32. */
  readonly sackLeft = new Int32Array(MAXIMUM_SACK_BLOCKS);
  /** Right edges (sequence number following the block), int32. */
  readonly sackRight = new Int32Array(MAXIMUM_SACK_BLOCKS);
  /** Order of the options when writing; not touched by `reset` and `clearOptions`. */
  optionLayout: TcpOptionLayout = 'linux';

  /** Where the payload starts in the buffer that was parsed, bytes. Unused when writing. */
  payloadOffset = 0;
  /** Payload length in bytes, without SYN and FIN. Unused when writing. */
  payloadLength = 0;

  /** Back to the values of an empty header without options. */
  reset(): void {
    this.sourcePort = 0;
    this.destinationPort = 0;
    this.sequence = 0;
    this.acknowledgment = 0;
    this.flags = 0;
    this.window = 0;
    this.urgentPointer = 0;
    this.ecn = 0;
    this.headerLength = 20;
    this.clearOptions();
    this.payloadOffset = 0;
    this.payloadLength = 0;
  }

  /** Marks every option as absent. */
  clearOptions(): void {
    this.maximumSegmentSize = 0;
    this.windowScale = -1;
    this.sackPermitted = false;
    this.hasTimestamp = false;
    this.timestampValue = 0;
    this.timestampEcho = 0;
    this.sackCount = 0;
  }
}
