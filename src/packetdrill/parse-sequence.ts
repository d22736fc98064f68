/** Sequence numbers as scripts write them: `1:1001(1000)`. */
import { ScriptSyntaxError } from './errors.ts';
import type { Scanner } from './scanner.ts';
import type { QuotedSegment } from './script.ts';

/** Letters, and behind them perhaps the count of RFC 9768 in the three bits for accurate ECN. */
export const FLAGS = /(?:[FSRPEWAU]*\.?[0-7]?|-)(?=\s)/y;

/** `1:1001(1000)`, numbers that agree with each other. */
export function parseSequence(scanner: Scanner): QuotedSegment {
  const { line } = scanner;
  const sequence = scanner.integer('the sequence number');
  scanner.expect(':');
  const end = scanner.integer('the end of the sequence numbers');
  scanner.expect('(');
  const length = scanner.integer('the payload length');
  scanner.expect(')');
  if ((sequence + length) % 0x1_0000_0000 !== end % 0x1_0000_0000) {
    throw new ScriptSyntaxError(
      line,
      `${sequence}:${end}(${length}) does not add up: ${sequence} + ${length} is not ${end}`,
    );
  }
  if (length > 0xffff) throw new ScriptSyntaxError(line, `a segment of ${length} bytes is beyond 65535`);
  return { sequence, length };
}

/** The segment that an ICMP error quotes: `[1:1001(1000)]`. */
export function parseQuoted(scanner: Scanner): QuotedSegment {
  scanner.expect('[');
  scanner.take(FLAGS);
  const quoted = parseSequence(scanner);
  scanner.until(']', 'the quoted segment');
  return quoted;
}
