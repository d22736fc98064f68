/** A target for what links do to bytes and frames: framing over a stream, memory, and joining of segments. */
import { Coalescer, Coalescing } from '../../src/link/coalescer.ts';
import { FrameStreamDecoder, LARGEST_STREAM_FRAME, writeStreamHeader } from '../../src/link/index.ts';
import { ReceiveMemory } from '../../src/linux/receive-memory.ts';
import { checksumIsGood, VNET_HEADER_LENGTH, writeSegmentedHeader } from '../../src/linux/vnet-header.ts';
import { readInt32, readUint16, writeInt32 } from '../../src/wire/index.ts';
import { readRecords, writeRecords } from '../engine/records.ts';
import { check, type FuzzTarget, stateless } from '../engine/target.ts';
import { IPV4_FRAMES, IPV6_FRAMES, Repair, repair } from './frames.ts';

const Operation = { STREAM: 0, COALESCE: 1, HEADER: 2 } as const;
const LARGEST_FRAME = 65_535 + 18;

/** The same stream in pieces and at once must have the same frames. */
class StreamCheck {
  private readonly pieces: Uint8Array[] = [];
  private readonly lengths: number[] = [];
  private readonly decoder = new FrameStreamDecoder((frame) => {
    check(frame.length <= LARGEST_STREAM_FRAME, `a frame of ${frame.length} bytes`);
    this.lengths.push(frame.length);
  });

  push(bytes: Uint8Array): void {
    this.pieces.push(bytes);
    const goesOn = this.decoder.push(bytes.slice());
    check(goesOn === (this.decoder.error === null), 'an end without a reason');
  }

  end(): void {
    const whole = new Uint8Array(this.pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    const lengths: number[] = [];
    const decoder = new FrameStreamDecoder((frame) => lengths.push(frame.length));
    decoder.push(whole);
    check(lengths.join() === this.lengths.join(), `${lengths} frames at once, ${this.lengths} in pieces`);
    check((decoder.error === null) === (this.decoder.error === null), 'an error depends on how the stream is cut');
  }
}

/** Joins frames as a device does; what comes out must have the text of what went in. */
class CoalescingCheck {
  private readonly coalescer = new Coalescer();
  private readonly memory = new ReceiveMemory(LARGEST_FRAME, 0);
  private joined: Uint8Array | null = null;
  /** Text of the frames that were joined. */
  private text: number[] = [];

  arrives(frame: Uint8Array): void {
    const { coalescer, memory, joined } = this;
    const buffer = memory.next();
    buffer.set(frame);
    const what = coalescer.offer(buffer, frame.length);
    if (joined !== null && (what === Coalescing.CONTINUES || what === Coalescing.ENDS)) {
      const { textOffset } = coalescer;
      this.joined = memory.append(joined, textOffset, frame.length - textOffset);
      this.text.push(...frame.subarray(textOffset));
      check(this.joined.length <= LARGEST_FRAME, 'a segment longer than a packet can be');
      if (what === Coalescing.ENDS || !memory.canAppend(this.joined)) this.flush();
      return;
    }
    this.flush();
    const taken = memory.take(frame.length);
    if (what !== Coalescing.BEGINS || !memory.canAppend(taken)) return;
    coalescer.start(taken);
    this.joined = taken;
    this.text = [...frame.subarray(coalescer.textOffset)];
  }

  flush(): void {
    const { joined, coalescer } = this;
    if (joined === null) return;
    const { textOffset } = coalescer;
    this.joined = null;
    coalescer.finish(joined);
    check(joined.length === textOffset + this.text.length, 'length of the joined text');
    for (let at = 0; at < this.text.length; at++)
      check(joined[textOffset + at] === this.text[at], `byte ${at} of the text`);
    const isIpv4 = readUint16(joined, 12) === 0x0800;
    const length = isIpv4 ? readUint16(joined, 16) + 14 : readUint16(joined, 18) + 54;
    check(length === joined.length, 'length in the IP header');
  }
}

function data(frame: Uint8Array, index: number): Uint8Array {
  const copy = new Uint8Array(frame.length + 100).fill(index);
  copy.set(frame);
  const tcp = readUint16(frame, 12) === 0x0800 ? 34 : 54;
  copy[tcp + 13] = 0x10;
  writeInt32(copy, tcp + 4, readInt32(frame, tcp + 4) + index * (copy.length - tcp - ((copy[tcp + 12] >>> 4) << 2)));
  return repair(copy, Repair.CHECKSUMS | Repair.LENGTHS);
}

function stream(...lengths: number[]): Uint8Array {
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + 4 + length, 0));
  let at = 0;
  for (const length of lengths) {
    writeStreamHeader(bytes.subarray(at), length);
    at += 4 + length;
  }
  return bytes;
}

export const links: FuzzTarget = stateless(
  {
    name: 'links',
    covers: 'frames over a stream, virtio-net headers, receive memory, and joining of segments',
    shape: 'records',
    maximumLength: 12_000,
    seeds: () => [
      writeRecords([
        { operation: Operation.STREAM, bytes: stream(60, 300, 14) },
        { operation: Operation.STREAM, bytes: stream(60) },
      ]),
      ...[IPV4_FRAMES[4], IPV6_FRAMES[8]].map((frame) =>
        writeRecords([0, 1, 2].map((index) => ({ operation: Operation.COALESCE | 0x40, bytes: data(frame, index) }))),
      ),
      writeRecords([{ operation: Operation.HEADER, bytes: IPV4_FRAMES[5] }]),
    ],
  },
  (input) => {
    const framing = new StreamCheck();
    const joining = new CoalescingCheck();
    for (const { operation, bytes } of readRecords(input)) {
      switch (operation & 3) {
        case Operation.STREAM:
          framing.push(bytes);
          break;
        case Operation.HEADER: {
          // What is sent is ours, and whole: only its meaning varies.
          const header = new Uint8Array(VNET_HEADER_LENGTH).fill(0xff);
          if (bytes.length >= 74) writeSegmentedHeader(header, bytes, 1 + (operation >>> 2));
          check(typeof checksumIsGood(bytes) === 'boolean', 'an answer');
          break;
        }
        default:
          joining.arrives(repair(bytes.slice(), operation >>> 6));
      }
    }
    framing.end();
    joining.flush();
  },
);
