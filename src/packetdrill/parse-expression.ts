/** Values in system calls: numbers, strings, names, lists, structures. */
import type { Scanner } from './scanner.ts';
import type { Expression, StructEntry } from './script.ts';

const NUMBER = /(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?)/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const STRING = /"(?:\\[\s\S]|[^"\\])*"/y;
const OPERATOR = /(?:\||<<|>>|\+|-|\*|\/|&)/y;

/** One argument. @throws ScriptSyntaxError */
export function parseExpression(scanner: Scanner): Expression {
  let left = parseOperand(scanner);
  for (;;) {
    const operator = scanner.take(OPERATOR);
    if (operator === null) return left;
    left = { kind: 'binary', operator, left, right: parseOperand(scanner) };
  }
}

/** A result: no sums, since the time of the next event may begin with a sign. @throws ScriptSyntaxError */
export function parseResult(scanner: Scanner): Expression {
  let left = parseOperand(scanner);
  while (scanner.accept('|')) left = { kind: 'binary', operator: '|', left, right: parseOperand(scanner) };
  return left;
}

function parseOperand(scanner: Scanner): Expression {
  if (scanner.accept('...')) return { kind: 'any' };
  if (scanner.accept('-')) return { kind: 'integer', value: -scanner.integer('a number') };
  if (scanner.accept('~')) return { kind: 'integer', value: ~scanner.integer('a number') };
  if (scanner.sees('"')) return parseString(scanner);
  if (scanner.accept('[')) return { kind: 'list', items: parseItems(scanner) };
  if (scanner.accept('{')) return { kind: 'struct', entries: parseEntries(scanner) };
  if (scanner.accept('(')) {
    const inner = parseExpression(scanner);
    scanner.expect(')');
    return inner;
  }
  const number = scanner.take(NUMBER);
  if (number !== null) return { kind: 'integer', value: Number(number) };
  const name = scanner.take(NAME) ?? scanner.fail('expected a value');
  if (!scanner.sees('(')) return { kind: 'symbol', name };
  scanner.expect('(');
  const args: Expression[] = [];
  if (!scanner.accept(')')) {
    do args.push(parseExpression(scanner));
    while (scanner.accept(','));
    scanner.expect(')');
  }
  return { kind: 'call', name, arguments: args };
}

/** Strings that follow each other are one; `...` behind one says that more may follow. */
function parseString(scanner: Scanner): Expression {
  let value = '';
  for (let part = scanner.take(STRING); part !== null; part = scanner.take(STRING)) {
    value += decodeEscapes(part.slice(1, -1));
  }
  if (value === '' && scanner.sees('"')) scanner.until('"', 'a string');
  scanner.accept('...');
  return { kind: 'string', value };
}

function parseItems(scanner: Scanner): Expression[] {
  const items: Expression[] = [];
  if (scanner.accept(']')) return items;
  do {
    if (scanner.sees(']')) break;
    items.push(parseExpression(scanner));
  } while (scanner.accept(','));
  scanner.expect(']');
  return items;
}

function parseEntries(scanner: Scanner): StructEntry[] {
  const entries: StructEntry[] = [];
  if (scanner.accept('}')) return entries;
  do {
    if (scanner.sees('}')) break;
    const value = parseExpression(scanner);
    // A member: a name, or a name with the size of what it points to, as msg_iov(1)=[…].
    const name = value.kind === 'symbol' || value.kind === 'call' ? value.name : null;
    if (name !== null && (scanner.accept('=') || scanner.accept(':'))) {
      entries.push({ name, value: parseExpression(scanner) });
    } else entries.push({ name: null, value });
  } while (scanner.accept(','));
  scanner.expect('}');
  return entries;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0', '\\': '\\', '"': '"' };

function decodeEscapes(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_all, code: string) =>
    code.startsWith('x') && code.length === 3
      ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
      : (ESCAPES[code] ?? code),
  );
}
