/**
 * The code in `%{ … }%`: assertions about TCP_INFO, in the small part of Python that they need: `assert`, `print`,
 * assignments, arithmetic, comparisons, `and`, `or`, `not`. It is evaluated here and by nothing else.
 */
import { ScriptFailure, ScriptSyntaxError } from './errors.ts';
import { TCP_INFO_CONSTANTS } from './tcp-info.ts';

type Value = number | string | boolean;

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\*\*|\/\/|<<|>>|[<>=!]=|[-+*/%<>()|&^~,[\].]))/y;

/** Runs the code of one event. Returns what it printed. @throws ScriptFailure, ScriptSyntaxError */
export function runCode(text: string, line: number, members: Readonly<Record<string, number>>): string[] {
  const names = new Map<string, Value>(Object.entries({ ...TCP_INFO_CONSTANTS, ...members }));
  names.set('True', true).set('False', false);
  const printed: string[] = [];
  for (const statement of statementsOf(text, line)) runStatement(statement, names, printed);
  return printed;
}

interface Statement {
  readonly text: string;
  readonly line: number;
}

/** Statements end with a line or a semicolon, unless a bracket is open. */
function statementsOf(text: string, firstLine: number): Statement[] {
  const statements: Statement[] = [];
  let line = firstLine;
  let begun = firstLine;
  let current = '';
  let depth = 0;
  let quote = '';
  const end = (): void => {
    if (current.trim() !== '') statements.push({ text: current.trim(), line: begun });
    current = '';
    begun = line;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\n') line++;
    if (quote !== '') {
      if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '(' || c === '[') depth++;
    else if (c === ')' || c === ']') depth--;
    else if (c === '#') {
      while (i + 1 < text.length && text[i + 1] !== '\n') i++;
      continue;
    } else if (c === '\\' && text[i + 1] === '\n') continue;
    else if ((c === '\n' || c === ';') && depth === 0) {
      end();
      continue;
    }
    if (current.trim() === '') begun = line;
    current += c;
  }
  end();
  return statements;
}

function runStatement(statement: Statement, names: Map<string, Value>, printed: string[]): void {
  const { text, line } = statement;
  const keyword = /^[A-Za-z_]\w*/.exec(text)?.[0] ?? '';
  if (keyword === 'assert') {
    const parser = new ExpressionParser(text.slice(6), line, names);
    const value = parser.expression();
    const message = parser.rest().replace(/^,\s*/, '');
    if (truth(value)) return;
    const used = [...new Set(text.match(/\btcpi_\w+/g) ?? [])].map((name) => `${name} is ${String(names.get(name))}`);
    const note = message === '' ? '' : ` (${message})`;
    throw new ScriptFailure(
      line,
      `${text.split(/\s+/).join(' ')} does not hold${note}${used.length > 0 ? `: ${used.join(', ')}` : ''}`,
    );
  }
  if (keyword === 'print') {
    const values = new ExpressionParser(text.slice(5), line, names).all();
    printed.push(values.map(String).join(' '));
    return;
  }
  const assignment = /^([A-Za-z_]\w*)\s*=(?!=)/.exec(text);
  if (assignment !== null) {
    const parser = new ExpressionParser(text.slice(assignment[0].length), line, names);
    names.set(assignment[1], parser.expression());
    parser.expectEnd();
    return;
  }
  if (/^(?:import|from|pass)\b/.test(text)) return;
  throw new ScriptSyntaxError(line, `"${text.split('\n')[0]}": only assert, print and assignments can stand in %{ }%`);
}

function truth(value: Value): boolean {
  return value !== 0 && value !== '' && value !== false;
}

const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=']);

/** Binary operators by rising precedence. */
const LEVELS: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']];

class ExpressionParser {
  private readonly text: string;
  private readonly line: number;
  private readonly names: ReadonlyMap<string, Value>;
  private position = 0;

  constructor(text: string, line: number, names: ReadonlyMap<string, Value>) {
    this.text = text;
    this.line = line;
    this.names = names;
  }

  /** Everything, as the arguments of print. */
  all(): Value[] {
    const values: Value[] = [];
    if (this.peek() === null) return values;
    do values.push(this.expression());
    while (this.accept(','));
    this.expectEnd();
    return values;
  }

  rest(): string {
    return this.text.slice(this.position).trim();
  }

  expectEnd(): void {
    if (this.rest() !== '') this.fail(`does not understand "${this.rest()}"`);
  }

  expression(): Value {
    const value = this.disjunction();
    if (!this.acceptWord('if')) return value;
    const condition = this.disjunction();
    if (!this.acceptWord('else')) this.fail('misses the else of a conditional expression');
    const otherwise = this.expression();
    return truth(condition) ? value : otherwise;
  }

  private disjunction(): Value {
    let left = this.conjunction();
    while (this.acceptWord('or')) {
      const right = this.conjunction();
      left = truth(left) ? left : right;
    }
    return left;
  }

  private conjunction(): Value {
    let left = this.negation();
    while (this.acceptWord('and')) {
      const right = this.negation();
      left = truth(left) ? right : left;
    }
    return left;
  }

  private negation(): Value {
    if (this.acceptWord('not')) return !truth(this.negation());
    return this.comparison();
  }

  /** Chains as in Python: a < b < c. */
  private comparison(): Value {
    let left = this.binary(0);
    let result: Value | null = null;
    for (;;) {
      const operator = this.peek();
      if (operator === null || !COMPARISONS.has(operator)) return result ?? left;
      this.take();
      const right = this.binary(0);
      result = (result === null || truth(result)) && this.compare(operator, left, right);
      left = right;
    }
  }

  private compare(operator: string, left: Value, right: Value): boolean {
    if (operator === '==') return same(left) === same(right);
    if (operator === '!=') return same(left) !== same(right);
    const a = this.number(left);
    const b = this.number(right);
    if (operator === '<') return a < b;
    if (operator === '<=') return a <= b;
    return operator === '>' ? a > b : a >= b;
  }

  private binary(level: number): Value {
    if (level === LEVELS.length) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const operator = this.peek();
      if (operator === null || !LEVELS[level].includes(operator)) return left;
      this.take();
      const right = this.binary(level + 1);
      left = this.arithmetic(operator, left, right);
    }
  }

  private arithmetic(operator: string, left: Value, right: Value): Value {
    if (operator === '%' && typeof left === 'string') return left; // a formatted message: only its text matters
    if (operator === '+' && typeof left === 'string') return left + String(right);
    const a = this.number(left);
    const b = this.number(right);
    switch (operator) {
      case '|':
        return a | b;
      case '^':
        return a ^ b;
      case '&':
        return a & b;
      case '<<':
        return a * 2 ** b;
      case '>>':
        return Math.floor(a / 2 ** b);
      case '+':
        return a + b;
      case '-':
        return a - b;
      case '*':
        return a * b;
      case '/':
        return a / b;
      case '//':
        return Math.floor(a / b);
      default:
        return a - b * Math.floor(a / b);
    }
  }

  private unary(): Value {
    if (this.accept('-')) return -this.number(this.unary());
    if (this.accept('+')) return this.unary();
    if (this.accept('~')) return ~this.number(this.unary());
    const base = this.atom();
    return this.accept('**') ? this.number(base) ** this.number(this.unary()) : base;
  }

  private atom(): Value {
    if (this.accept('(')) {
      const value = this.expression();
      while (this.accept(',')) if (this.peek() !== ')') this.expression();
      if (!this.accept(')')) this.fail('misses a )');
      return value;
    }
    const token = this.take();
    if (token === null) return this.fail('ends where a value is needed');
    if (/^[\d]/.test(token)) return Number(token);
    if (/^["']/.test(token)) return token.slice(1, -1);
    if (!/^[A-Za-z_]/.test(token)) return this.fail(`does not understand "${token}"`);
    if (this.accept('(')) return this.call(token);
    const value = this.names.get(token);
    return value ?? this.fail(`uses ${token}, which is not known here`);
  }

  private call(name: string): Value {
    const values: Value[] = [];
    if (!this.accept(')')) {
      do values.push(this.expression());
      while (this.accept(','));
      if (!this.accept(')')) this.fail('misses a )');
    }
    const numbers = values.map((value) => (typeof value === 'string' ? Number.NaN : Number(value)));
    if (name === 'abs') return Math.abs(numbers[0]);
    if (name === 'min') return Math.min(...numbers);
    if (name === 'max') return Math.max(...numbers);
    if (name === 'int') return Math.trunc(Number(values[0]));
    if (name === 'float') return Number(values[0]);
    if (name === 'str') return String(values[0]);
    if (name === 'round') return Math.round(numbers[0]);
    return this.fail(`calls ${name}, which is not known here`);
  }

  private number(value: Value): number {
    if (typeof value === 'string') return this.fail(`takes the text "${value}" for a number`);
    return Number(value);
  }

  private peek(): string | null {
    const at = this.position;
    const token = this.take();
    this.position = at;
    return token;
  }

  private take(): string | null {
    TOKEN.lastIndex = this.position;
    const match = TOKEN.exec(this.text);
    if (match === null) {
      if (this.rest() !== '') this.fail(`does not understand "${this.rest()}"`);
      return null;
    }
    this.position = TOKEN.lastIndex;
    return match[1] ?? match[2] ?? match[3] ?? match[4];
  }

  private accept(token: string): boolean {
    if (this.peek() !== token) return false;
    this.take();
    return true;
  }

  private acceptWord(word: string): boolean {
    return this.accept(word);
  }

  private fail(message: string): never {
    throw new ScriptSyntaxError(this.line, `the code "${this.text.trim()}" ${message}`);
  }
}

/** True and 1 are equal, as in Python. */
function same(value: Value): number | string {
  return typeof value === 'boolean' ? Number(value) : value;
}
