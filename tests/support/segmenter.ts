/** What a link with segmentation offload does, in software: for tests of those who leave it to the link. */
import { discardFrame, type LinkPort } from '../../src/link/index.ts';
import {
  EthernetHeader,
  finishTcpChecksum,
  IpProtocol,
  Ipv4Header,
  parseEthernet,
  parseIpv4,
  parseTcp,
  pseudoHeaderSumIpv4,
  readInt32,
  readUint16,
  TcpFlag,
  TcpHeader,
  writeInt32,
  writeIpv4,
  writeUint16,
} from '../../src/wire/index.ts';

/** Wraps a port that takes frames of its MTU only. Counts what it was asked for, and throws where that makes no sense. */
export class SegmentingPort implements LinkPort {
  readonly segmentationOffload = true;
  readonly copiesFrames: boolean;
  onReceive: (frame: Uint8Array, checksumValid?: boolean) => void = discardFrame;
  plainFrames = 0;
  /** Segments left to the link, those that had to be cut, and the longest of them in bytes of text. */
  segments = 0;
  cutSegments = 0;
  longestText = 0;
  /** Segments that had to be cut and came in memory in which another one had come. */
  inUsedMemory = 0;
  /** Where in which buffers segments have come. */
  private readonly places = new Map<ArrayBufferLike, Set<number>>();
  private readonly inner: LinkPort;

  /**
   * @param vouch say of every frame received that its checksum is good, and spoil the checksum
   * @param copies say that frames are the sender's again when they are sent
   */
  constructor(inner: LinkPort, vouch: boolean, copies = false) {
    this.inner = inner;
    this.copiesFrames = copies;
    inner.onReceive = (frame) => {
      const isTcp = frame[12] === 8 && frame[13] === 0 && frame[23] === IpProtocol.TCP;
      if (vouch && isTcp) writeUint16(frame, 50, 0xdead);
      this.onReceive(frame, vouch && isTcp);
    };
  }

  get name(): string {
    return this.inner.name;
  }

  get mtu(): number {
    return this.inner.mtu;
  }

  send(frame: Uint8Array): void {
    this.plainFrames++;
    this.inner.send(this.copiesFrames ? frame.slice() : frame);
  }

  sendSegmented(frame: Uint8Array, segmentSize: number): void {
    const ethernet = new EthernetHeader();
    const ip = new Ipv4Header();
    const tcp = new TcpHeader();
    parseEthernet(frame, 0, frame.length, ethernet);
    parseIpv4(frame, ethernet.payloadOffset, ethernet.payloadLength, ip);
    parseTcp(frame, ip.payloadOffset, ip.payloadLength, tcp);
    const sum = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, ip.payloadLength);
    if (readUint16(frame, ip.payloadOffset + 16) !== sum) throw new Error('no partial sum of the pseudo header');
    if (segmentSize < 1) throw new Error(`segments of ${segmentSize} bytes`);
    this.segments++;
    this.longestText = Math.max(this.longestText, tcp.payloadLength);
    if (tcp.payloadLength > segmentSize) {
      this.cutSegments++;
      const places = this.places.get(frame.buffer) ?? new Set();
      if (places.has(frame.byteOffset)) this.inUsedMemory++;
      this.places.set(frame.buffer, places.add(frame.byteOffset));
    }
    const sequence = readInt32(frame, ip.payloadOffset + 4);
    let done = 0;
    do {
      const length = Math.min(segmentSize, tcp.payloadLength - done);
      const isLast = done + length === tcp.payloadLength;
      const out = new Uint8Array(tcp.payloadOffset + length);
      out.set(frame.subarray(0, tcp.payloadOffset));
      out.set(frame.subarray(tcp.payloadOffset + done, tcp.payloadOffset + done + length), tcp.payloadOffset);
      ip.totalLength = out.length - ethernet.payloadOffset;
      writeIpv4(ip, out, ethernet.payloadOffset);
      const at = ip.payloadOffset;
      writeInt32(out, at + 4, (sequence + done) | 0);
      if (!isLast) out[at + 13] &= ~(TcpFlag.FIN | TcpFlag.PSH);
      writeUint16(out, at + 16, 0);
      const segmentLength = out.length - at;
      const pseudoHeader = pseudoHeaderSumIpv4(ip.source, ip.destination, IpProtocol.TCP, segmentLength);
      finishTcpChecksum(out, at, segmentLength, pseudoHeader);
      this.inner.send(out);
      done += length;
    } while (done < tcp.payloadLength);
  }
}
