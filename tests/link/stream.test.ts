/** Frames over a byte stream: the framing of qemu and passt. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FrameStreamDecoder,
  LARGEST_STREAM_FRAME,
  STREAM_HEADER_LENGTH,
  writeStreamHeader,
} from '../../src/link/index.ts';

function encode(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + STREAM_HEADER_LENGTH + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    writeStreamHeader(bytes.subarray(at), frame.length);
    bytes.set(frame, at + STREAM_HEADER_LENGTH);
    at += STREAM_HEADER_LENGTH + frame.length;
  }
  return bytes;
}

function decode(chunks: readonly Uint8Array[]): { frames: Uint8Array[]; decoder: FrameStreamDecoder } {
  const frames: Uint8Array[] = [];
  const decoder = new FrameStreamDecoder((frame) => frames.push(frame));
  for (const chunk of chunks) decoder.push(chunk);
  return { frames, decoder };
}

/** Cuts `bytes` at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.slice(at[index], end));
}

describe('the stream framing', () => {
  it('is a length in 4 bytes, big-endian', () => {
    const header = new Uint8Array(4);
    writeStreamHeader(header, 0x01020304);
    expect([...header]).toEqual([1, 2, 3, 4]);
    writeStreamHeader(header, 1514);
    expect([...header]).toEqual([0, 0, 5, 0xea]);
  });

  it('finds every frame, however the stream is cut', () => {
    const frame = fc.uint8Array({ minLength: 14, maxLength: 700 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(9000), { maxLength: 30 }), (frames, places) => {
        const { frames: found, decoder } = decode(cut(encode(frames), places));
        expect(found).toEqual(frames);
        expect(decoder.error).toBe(null);
        expect(decoder.isBetweenFrames).toBe(true);
      }),
    );
  });

  it('knows when the stream ends inside a frame', () => {
    const bytes = encode([new Uint8Array(60)]);
    for (let length = 0; length <= bytes.length; length++) {
      const { decoder } = decode([bytes.slice(0, length)]);
      expect(decoder.isBetweenFrames, `${length}`).toBe(length === 0 || length === bytes.length);
    }
  });

  it('ends at a length that no frame has, and gives nothing after it', () => {
    for (const length of [0, 13, LARGEST_STREAM_FRAME + 1, 0xffffffff]) {
      const bad = new Uint8Array(4);
      writeStreamHeader(bad, length);
      const good = encode([new Uint8Array(60).fill(1)]);
      const { frames, decoder } = decode([good, bad, good]);
      expect(frames).toHaveLength(1);
      expect(decoder.error).toContain(`${length} bytes`);
      expect(decoder.push(good)).toBe(false);
    }
    expect(decode([encode([new Uint8Array(LARGEST_STREAM_FRAME)])]).frames).toHaveLength(1);
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
        const { frames } = decode(chunks);
        expect(frames.every((frame) => frame.length >= 14 && frame.length <= LARGEST_STREAM_FRAME)).toBe(true);
      }),
    );
  });

  it('gives frames that keep no more than themselves alive when they are small', () => {
    const chunk = encode([new Uint8Array(60), new Uint8Array(1000)]);
    const { frames } = decode([chunk]);
    expect(frames[0].buffer.byteLength).toBe(60);
    expect(frames[1].buffer).toBe(chunk.buffer);
  });
});
