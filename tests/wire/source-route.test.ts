import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildTcpFrame,
  DropReason,
  ETHERNET_HEADER_LENGTH,
  FrameBuffers,
  finalDestination,
  findSourceRoute,
  IpAddress,
  Ipv4Header,
  isCompleted,
  isSameRoute,
  MacAddress,
  parseIpv4,
  returnRoute,
  sourceRouteLength,
  TcpHeader,
  withSourceRoute,
} from '../../src/wire/index.ts';

const address = (number: number) => IpAddress.fromWords(4, (10 << 24) | number);
const SOURCE = address(1);
const DESTINATION = address(2);

function plainFrame(buffers: FrameBuffers): Uint8Array {
  const route = {
    destination: MacAddress.ZERO.bytes,
    source: MacAddress.ZERO.bytes,
    vlanId: 0,
    userPriority: 0,
    sourceAddress: SOURCE,
    destinationAddress: DESTINATION,
    ttl: 64,
    typeOfService: 0,
    flowLabel: 0,
  };
  return buildTcpFrame(buffers, route, 1, new TcpHeader(), null, 0, 0);
}

/** What the gateway that the datagram is at does to it: the next address, and its own in its place (RFC 791 section 3.1). */
function visit(frame: Uint8Array, outgoing: IpAddress): void {
  const at = ETHERNET_HEADER_LENGTH;
  const option = findSourceRoute(frame, at, (frame[at] & 15) << 2);
  const next = option + frame[option + 2] - 1;
  frame.copyWithin(at + 16, next, next + 4);
  frame.set(outgoing.bytes, next);
  frame[option + 2] += 4;
}

describe('source routes of IPv4 (RFC 791, RFC 9293 section 3.9.2.1)', () => {
  it.each([1, 2, 5, 9])('lead over %i gateways and back', (count) => {
    const gateways = Array.from({ length: count }, (_, i) => address(100 + i));
    for (const strict of [false, true]) {
      const buffers = new FrameBuffers();
      const plain = plainFrame(buffers);
      const frame = withSourceRoute(buffers, plain, ETHERNET_HEADER_LENGTH, { gateways, strict });
      expect(frame.length - plain.length).toBe(sourceRouteLength({ gateways, strict }));
      const header = new Ipv4Header();
      const at = ETHERNET_HEADER_LENGTH;
      expect(parseIpv4(frame, at, frame.length - at, header)).toBe(DropReason.NONE);
      expect([header.source, header.totalLength]).toEqual([SOURCE.word0, frame.length - at]);
      // The segment is what it was, its checksum over the destination proper included.
      expect(frame.subarray(header.payloadOffset)).toEqual(plain.subarray(at + 20));
      const option = findSourceRoute(frame, at, header.headerLength);
      const visited: number[] = [];
      for (let i = 0; i < count; i++) {
        parseIpv4(frame, at, frame.length - at, header);
        visited.push(header.destination);
        expect(isCompleted(frame, option)).toBe(false);
        expect(finalDestination(frame, option)).toBe(DESTINATION.word0);
        visit(frame, address(200 + i));
      }
      expect(visited).toEqual(gateways.map((gateway) => gateway.word0));
      parseIpv4(frame, at, frame.length - at, header);
      expect([header.destination, isCompleted(frame, option)]).toEqual([DESTINATION.word0, true]);
      const back = returnRoute(frame, option);
      const expected = Array.from({ length: count }, (_, i) => address(200 + count - 1 - i));
      expect(isSameRoute(back, { gateways: expected, strict })).toBe(true);
    }
  });

  it('are told apart', () => {
    const route = { gateways: [address(1), address(2)], strict: false };
    expect(isSameRoute(route, { ...route, gateways: [...route.gateways] })).toBe(true);
    expect(isSameRoute(route, { ...route, strict: true })).toBe(false);
    expect(isSameRoute(route, { ...route, gateways: [address(1)] })).toBe(false);
    expect(isSameRoute(route, { ...route, gateways: [address(2), address(1)] })).toBe(false);
    expect([isSameRoute(null, null), isSameRoute(route, null), isSameRoute(null, route)]).toEqual([true, false, false]);
  });

  it('never leave the options, whatever these are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 40 }), fc.integer({ min: 0, max: 36 }), (bytes, place) => {
        const options = bytes.slice(0, bytes.length & ~3);
        // A type in a random place makes the interesting ones likely.
        if (place < options.length) options[place] = place & 1 ? 131 : 137;
        const frame = new Uint8Array(20 + options.length);
        frame.set(options, 20);
        const option = findSourceRoute(frame, 0, frame.length);
        if (option < 0) return;
        expect(option + frame[option + 1]).toBeLessThanOrEqual(frame.length);
        const back = isCompleted(frame, option) ? returnRoute(frame, option) : null;
        expect(back?.gateways.length ?? 0).toBeLessThanOrEqual(9);
      }),
    );
  });
});
