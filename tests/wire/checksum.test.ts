import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadVectorSum, type SumFunction } from '../../src/wire/checksum-vector.ts';
import { sumWordwise } from '../../src/wire/checksum-words.ts';
import {
  addSums,
  finishChecksum,
  IpAddress,
  internetChecksum,
  pseudoHeaderSum,
  pseudoHeaderSumIpv4,
  sumBytes,
  swapSum,
} from '../../src/wire/index.ts';

/** RFC 1071 section 4.1, word by word. */
function naiveSum(bytes: Uint8Array, offset: number, length: number): number {
  let sum = 0;
  for (let index = 0; index < length; index += 1) {
    sum += index % 2 === 0 ? bytes[offset + index] << 8 : bytes[offset + index];
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

function filled(length: number, value: (index: number) => number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => value(index));
}

describe('Internet checksum', () => {
  test('the example of RFC 1071 section 3', () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sumBytes(bytes, 0, 8)).toBe(0xddf2);
    expect(internetChecksum(bytes, 0, 8)).toBe(0x220d);
  });

  test('partial sums compose, with a swap where a part starts at an odd offset', () => {
    const split = fc
      .uint8Array({ minLength: 2, maxLength: 400 })
      .chain((bytes) => fc.tuple(fc.constant(bytes), fc.nat(bytes.length)));
    fc.assert(
      fc.property(split, ([bytes, at]) => {
        const first = sumBytes(bytes, 0, at);
        const rest = sumBytes(bytes, at, bytes.length - at);
        const composed = addSums(first, at % 2 === 0 ? rest : swapSum(rest));
        expect(composed % 0xffff).toBe(sumBytes(bytes, 0, bytes.length) % 0xffff);
      }),
    );
  });

  test('a range with its checksum filled in sums to 0xffff', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (data) => {
        const bytes = new Uint8Array(data.length + 2);
        bytes.set(data, 2);
        const checksum = internetChecksum(bytes, 0, bytes.length);
        bytes[0] = checksum >>> 8;
        bytes[1] = checksum & 0xff;
        expect(sumBytes(bytes, 0, bytes.length)).toBe(0xffff);
      }),
    );
  });
});

/** Without SIMD the vector sum does not load; Node has it. */
const vectorSum = loadVectorSum() as SumFunction;

describe.each([
  ['as it is called', sumBytes, 0],
  ['by 32-bit words', sumWordwise, 3],
  ['by SIMD', vectorSum, 0],
] as [string, SumFunction, number][])('sums %s', (_name, sum, shortest) => {
  test('every alignment and every length up to 200 agrees with the naive sum', () => {
    const bytes = filled(220, (index) => index * 37 + 11);
    const wrong: string[] = [];
    for (let start = 0; start < 9; start += 1) {
      const view = bytes.subarray(start);
      for (let offset = 0; offset < 4; offset += 1) {
        for (let length = shortest; length <= 200; length += 1) {
          if (sum(view, offset, length) !== naiveSum(view, offset, length)) wrong.push(`${start} ${offset} ${length}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('random ranges agree with the naive sum', () => {
    const range = fc
      .uint8Array({ minLength: shortest, maxLength: 5000 })
      .chain((bytes) => fc.tuple(fc.constant(bytes), fc.nat(bytes.length - shortest), fc.nat(bytes.length)));
    fc.assert(
      fc.property(range, ([bytes, offset, end]) => {
        const length = Math.max(end - offset, shortest);
        expect(sum(bytes, offset, length)).toBe(naiveSum(bytes, offset, length));
      }),
    );
  });

  test.each([65535, 65536, 65537, 262144])('%i bytes of ones do not overflow', (length) => {
    const bytes = new Uint8Array(length).fill(0xff);
    expect(sum(bytes, 0, length)).toBe(naiveSum(bytes, 0, length));
  });

  test('long ranges from odd addresses', () => {
    const bytes = filled(200_001, (index) => index * 31 + (index >> 8));
    expect(sum(bytes, 1, 200_000)).toBe(naiveSum(bytes, 1, 200_000));
    expect(sum(bytes, 3, 131_073)).toBe(naiveSum(bytes, 3, 131_073));
  });

  test('what an earlier, longer range left behind does not count', () => {
    sum(new Uint8Array(2000).fill(0xff), 0, 2000);
    const bytes = filled(131, (index) => index);
    expect(sum(bytes, 0, 131)).toBe(naiveSum(bytes, 0, 131));
  });

  test('many buffers in turns', () => {
    const buffers = Array.from({ length: 9 }, (_, seed) => filled(100 + seed, (index) => index * (seed + 3)));
    for (let round = 0; round < 3; round += 1) {
      for (const bytes of buffers) {
        expect(sum(bytes, 1, bytes.length - 1)).toBe(naiveSum(bytes, 1, bytes.length - 1));
      }
    }
  });

  test('shared memory', () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(1001));
    bytes.set(filled(1001, (index) => index * 7));
    expect(sum(bytes, 3, 998)).toBe(naiveSum(bytes, 3, 998));
  });
});

describe('without WebAssembly', () => {
  test('there is no vector sum', () => {
    expect(loadVectorSum({})).toBeNull();
  });

  test('an engine that refuses to compile is no error', () => {
    class Module {
      constructor() {
        throw new Error('blocked by content security policy');
      }
    }
    expect(loadVectorSum({ WebAssembly: { Module, Instance: Object } })).toBeNull();
  });
});

describe('pseudo header', () => {
  test('IPv4: the sum of its twelve bytes', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(word, word, fc.nat(255), fc.nat(65535), (source, destination, protocol, length) => {
        const header = new Uint8Array(12);
        const from = IpAddress.fromWords(4, source);
        const to = IpAddress.fromWords(4, destination);
        header.set(from.bytes, 0);
        header.set(to.bytes, 4);
        header.set([0, protocol, length >>> 8, length & 0xff], 8);
        const expected = naiveSum(header, 0, 12);
        expect(pseudoHeaderSumIpv4(source, destination, protocol, length)).toBe(expected);
        expect(pseudoHeaderSum(from, to, protocol, length)).toBe(expected);
      }),
    );
  });

  test('IPv6: the sum of its forty bytes (RFC 8200 section 8.1)', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const words = fc.tuple(word, word, word, word);
    fc.assert(
      fc.property(words, words, fc.nat(255), fc.nat(2 ** 20), (a, b, protocol, length) => {
        const header = new Uint8Array(40);
        const from = IpAddress.fromWords(6, ...a);
        const to = IpAddress.fromWords(6, ...b);
        header.set(from.bytes, 0);
        header.set(to.bytes, 16);
        new DataView(header.buffer).setUint32(32, length);
        header[39] = protocol;
        expect(pseudoHeaderSum(from, to, protocol, length)).toBe(naiveSum(header, 0, 40));
      }),
    );
  });

  test('the checksum of nothing is all ones', () => {
    expect(finishChecksum(0)).toBe(0xffff);
  });
});
