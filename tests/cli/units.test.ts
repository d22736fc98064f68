import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  formatSize,
  parseDuration,
  parseEndpoint,
  parseInteger,
  parseProbability,
  parseRate,
  parseSize,
} from '../../src/cli/units.ts';

describe('numbers with units', () => {
  it.each([
    ['1', 1],
    ['4096', 4096],
    ['64MiB', 64 * 1024 ** 2],
    ['64m', 64 * 1024 ** 2],
    ['10MB', 10_000_000],
    ['1.5 KiB', 1536],
    ['2gb', 2_000_000_000],
  ])('size %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ['2ms', 2_000],
    ['500us', 500],
    ['500µs', 500],
    ['1s', 1_000_000],
    ['0ms', 0],
    ['1.5ms', 1_500],
  ])('duration %s', (text, microseconds) => expect(parseDuration(text)).toBe(microseconds));

  it.each([
    ['100Mbit', 1e8],
    ['1Gbit', 1e9],
    ['9600', 9600],
    ['2.5gbit', 2.5e9],
  ])('rate %s', (text, rate) => expect(parseRate(text)).toBe(rate));

  it.each([
    ['0', 0],
    ['0.5', 0.5],
    ['1e-3', 0.001],
  ])('probability %s', (text, value) => expect(parseProbability(text)).toBe(value));

  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['localhost:0', 'localhost', 0],
    ['[::1]:80', '::1', 80],
  ])('endpoint %s', (text, address, port) => expect(parseEndpoint(text)).toEqual({ address, port }));

  it('whole numbers within bounds', () => {
    expect(parseInteger(1, 10)('10')).toBe(10);
    for (const text of ['0', '11', '1.0', '-1', '', ' ', 'x', '1e1', '0x5', 'Infinity']) {
      expect(() => parseInteger(1, 10)(text)).toThrow(InvalidArgumentError);
    }
  });

  it('nonsense is refused with an example', () => {
    for (const text of ['', 'x', '-1', '1 parsec', 'NaN', 'Infinity', '1e400', '--size', '1MiBs']) {
      expect(() => parseSize(text)).toThrow(/64MiB/);
      expect(() => parseDuration(text)).toThrow(/2ms/);
      expect(() => parseRate(text)).toThrow(/100Mbit/);
    }
    for (const text of ['', ' ', 'x', '-0.1', '0.51', 'NaN']) expect(() => parseProbability(text)).toThrow(/0 to 0.5/);
    for (const text of ['', '80', ':80', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', 'a:b']) {
      expect(() => parseEndpoint(text)).toThrow(/ADDRESS:PORT/);
    }
    expect(() => parseDuration('11s')).toThrow(/10s/);
    expect(() => parseSize('0')).toThrow(/one byte/);
    expect(() => parseSize('2000GiB')).toThrow(/1TiB/);
  });

  it('sizes for people', () => {
    expect([0, 1023, 1024, 1536, 64 * 1024 ** 2, 5 * 1024 ** 4].map(formatSize)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '64.0 MiB',
      '5120.0 GiB',
    ]);
  });
});
