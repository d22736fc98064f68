/** Random TCP headers. */

import fc from 'fast-check';
import { TcpHeader } from '../../src/wire/index.ts';

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const port = fc.nat(65535);

/** Any header whose options a writer accepts; `sackCount` may exceed what fits beside the other options. */
export const tcpHeaders: fc.Arbitrary<TcpHeader> = fc
  .record({
    sourcePort: port,
    destinationPort: port,
    sequence: word,
    acknowledgment: word,
    flags: fc.nat(255),
    window: fc.nat(65535),
    urgentPointer: fc.nat(65535),
    maximumSegmentSize: fc.oneof(fc.constant(0), fc.nat(65535)),
    windowScale: fc.integer({ min: -1, max: 14 }),
    sackPermitted: fc.boolean(),
    timestamps: fc.option(fc.tuple(word, word)),
    sack: fc.array(fc.tuple(word, word), { maxLength: 4 }),
  })
  .map(({ timestamps, sack, ...fields }) => {
    const header = Object.assign(new TcpHeader(), fields);
    if (timestamps !== null) {
      header.hasTimestamp = true;
      [header.timestampValue, header.timestampEcho] = timestamps;
    }
    header.sackCount = sack.length;
    for (const [index, [left, right]] of sack.entries()) {
      header.sackLeft[index] = left;
      header.sackRight[index] = right;
    }
    return header;
  });
