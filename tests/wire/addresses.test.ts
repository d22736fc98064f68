import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IpAddress, MacAddress } from '../../src/wire/index.ts';

describe('IpAddress', () => {
  test.each([
    ['0.0.0.0', 0],
    ['10.0.0.1', 0x0a000001],
    ['192.168.1.255', 0xc0a801ff | 0],
    ['255.255.255.255', -1],
  ])('IPv4 %s holds its bits in word0', (text, word) => {
    const address = IpAddress.parse(text);
    expect(address?.family).toBe(4);
    expect(address?.word0).toBe(word);
    expect(address?.toString()).toBe(text);
  });

  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['fe80::', 'fe80::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['0:0:1:0:0:0:0:0', '0:0:1::'],
  ])('IPv6 %s is written as RFC 5952 says', (text, canonical) => {
    const address = IpAddress.parse(text);
    expect(address?.family).toBe(6);
    expect(address?.toString()).toBe(canonical);
  });

  test.each([
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    'a.b.c.d',
    '1..2.3',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'g::',
    '1:2:3:4:5:6:7::8:9',
    '::1.2.3',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    'fe80::1%eth0',
    '::1/64',
    ':1',
    '1:',
  ])('%j is no address', (text) => {
    expect(IpAddress.parse(text)).toBeNull();
  });

  test('text and bytes of any address lead back to it', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    // Zero words are frequent, so that `::` is met at all places.
    const words = fc.tuple(
      fc.constantFrom<4 | 6>(4, 6),
      fc.array(fc.oneof(fc.constant(0), word), { minLength: 4, maxLength: 4 }),
    );
    fc.assert(
      fc.property(words, ([family, [a, b, c, d]]) => {
        const address = IpAddress.fromWords(family, a, b, c, d);
        expect(IpAddress.parse(address.toString())?.equals(address)).toBe(true);
        expect(IpAddress.fromBytes(family, address.bytes).equals(address)).toBe(true);
      }),
    );
  });

  test('equality needs the family, too', () => {
    expect(IpAddress.fromWords(4, 0).equals(IpAddress.fromWords(6, 0))).toBe(false);
    expect(IpAddress.fromWords(4, 1).equals(IpAddress.fromWords(4, 2))).toBe(false);
    expect(IpAddress.fromWords(6, 1, 2, 3, 4).equals(IpAddress.fromWords(6, 1, 2, 3, 5))).toBe(false);
  });

  test.each([
    ['10.1.2.3', '10.0.0.0', 8, true],
    ['10.1.2.3', '11.0.0.0', 8, false],
    ['10.1.2.3', '0.0.0.0', 0, true],
    ['192.168.1.129', '192.168.1.128', 25, true],
    ['192.168.1.127', '192.168.1.128', 25, false],
    ['10.1.2.3', '10.1.2.3', 32, true],
    ['10.1.2.2', '10.1.2.3', 32, false],
    ['2001:db8::1', '2001:db8::', 32, true],
    ['2001:db8:0:1::1', '2001:db8::', 64, false],
    ['2001:db8::1', '2001:db8::2', 128, false],
    ['10.0.0.0', '::', 0, false],
  ])('%s in %s/%i: %s', (address, network, length, expected) => {
    expect(IpAddress.parse(address)?.isInPrefix(IpAddress.parse(network) as IpAddress, length)).toBe(expected);
  });

  test('classes of addresses', () => {
    const of = (text: string): IpAddress => IpAddress.parse(text) as IpAddress;
    expect(of('224.0.0.1').isMulticast).toBe(true);
    expect(of('240.0.0.1').isMulticast).toBe(false);
    expect(of('ff02::1').isMulticast).toBe(true);
    expect(of('255.255.255.255').isBroadcast).toBe(true);
    expect(of('127.3.4.5').isLoopback).toBe(true);
    expect(of('::1').isLoopback).toBe(true);
    expect(of('::').isUnspecified).toBe(true);
    expect(of('0.0.0.1').isUnspecified).toBe(false);
  });

  test('bytes that are not there are an error of the caller', () => {
    expect(() => IpAddress.fromBytes(4, new Uint8Array(5), 2)).toThrow(RangeError);
  });
});

describe('MacAddress', () => {
  test('text, bytes and words are the same address', () => {
    const address = MacAddress.parse('02:00:5e:FF:00:01') as MacAddress;
    expect(address.toString()).toBe('02:00:5e:ff:00:01');
    expect(Array.from(address.bytes)).toEqual([2, 0, 0x5e, 0xff, 0, 1]);
    expect(MacAddress.fromWords(address.high, address.low).equals(address)).toBe(true);
    expect(MacAddress.fromBytes(Uint8Array.of(9, ...address.bytes), 1).equals(address)).toBe(true);
    expect(MacAddress.parse('02-00-5e-ff-00-01')?.equals(address)).toBe(true);
    expect(address.equals(MacAddress.ZERO)).toBe(false);
  });

  test.each(['', '02:00:00:00:00', '02:00:00:00:00:0g', '0200.0000.0001', '2:0:0:0:0:1'])('%j is none', (text) => {
    expect(MacAddress.parse(text)).toBeNull();
  });

  test('broadcast is multicast, a locally administered address is not', () => {
    expect(MacAddress.BROADCAST.isBroadcast).toBe(true);
    expect(MacAddress.BROADCAST.isMulticast).toBe(true);
    expect(MacAddress.parse('01:00:5e:00:00:01')?.isMulticast).toBe(true);
    expect(MacAddress.parse('02:00:00:00:00:01')?.isMulticast).toBe(false);
  });

  test('bytes that are not there are an error of the caller', () => {
    expect(() => MacAddress.fromBytes(new Uint8Array(5))).toThrow(RangeError);
  });
});
