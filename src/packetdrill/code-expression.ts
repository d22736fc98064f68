/** Expressions of the code in scripts: numbers, strings, names, tuples, and the operators of Python that they need. */
import { ScriptSyntaxError } from './errors.ts';

/** What an expression is worth. A list stands for tuples as well. */
export type Value = number | string | boolean | readonly Value[];

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\*\*|\/\/|<<|>>|[<>=!]=|[-+*/%<>()|&^~,[\].:]))/y;

/** As Python has it: zero, and what is empty, is false. */
export function truth(value: Value): boolean {
  return typeof value === 'object' ? value.length > 0 : value !== 0 && value !== '' && value !== false;
}

const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in']);

/** Binary operators by rising precedence. */
const LEVELS: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '//', '%']];

/** Parses and evaluates at once. */
export class ExpressionParser {
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
      const operator = this.membership() ?? this.peek();
      if (operator === null || !COMPARISONS.has(operator)) return result ?? left;
      if (!operator.endsWith('in')) this.take();
      const right = this.binary(0);
      result = (result === null || truth(result)) && this.compare(operator, left, right);
      left = right;
    }
  }

  /** Takes `in`, `not in`, `is` or `is not`, the latter two as == and !=. */
  private membership(): string | null {
    if (this.acceptWord('in')) return 'in';
    const before = this.position;
    if (this.acceptWord('not')) {
      if (this.acceptWord('in')) return 'not in';
      this.position = before;
    }
    return null;
  }

  private compare(operator: string, left: Value, right: Value): boolean {
    if (operator === '==') return isSame(left, right);
    if (operator === '!=') return !isSame(left, right);
    if (operator.endsWith('in')) {
      const found =
        typeof right === 'object'
          ? right.some((item) => isSame(item, left))
          : typeof right === 'string' && typeof left === 'string' && right.includes(left);
      return found === (operator === 'in');
    }
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
    if (operator === '%' && typeof left === 'string') return formatted(left, right);
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
      if (this.accept(')')) return [];
      const value = this.expression();
      if (this.peek() !== ',') {
        if (!this.accept(')')) this.fail('misses a )');
        return value;
      }
      return this.items(value, ')');
    }
    if (this.accept('[')) return this.accept(']') ? [] : this.items(this.expression(), ']');
    const token = this.take();
    if (token === null) return this.fail('ends where a value is needed');
    if (/^[\d]/.test(token)) return Number(token);
    if (/^["']/.test(token)) return token.slice(1, -1);
    if (!/^[A-Za-z_]/.test(token)) return this.fail(`does not understand "${token}"`);
    if (this.accept('(')) return this.call(token);
    const value = this.names.get(token);
    return value ?? this.fail(`uses ${token}, which is not known here`);
  }

  /** The rest of a tuple or list whose first item has been read. */
  private items(first: Value, close: string): Value[] {
    const values = [first];
    while (this.accept(',')) if (this.peek() !== close) values.push(this.expression());
    if (!this.accept(close)) this.fail(`misses a ${close}`);
    return values;
  }

  private call(name: string): Value {
    const values: Value[] = [];
    if (!this.accept(')')) {
      do values.push(this.expression());
      while (this.accept(','));
      if (!this.accept(')')) this.fail('misses a )');
    }
    const list = values.length === 1 && typeof values[0] === 'object' ? values[0] : values;
    const numbers = list.map((value) =>
      typeof value === 'number' || typeof value === 'boolean' ? +value : Number.NaN,
    );
    if (name === 'len') {
      const [first] = values;
      if (typeof first === 'string' || typeof first === 'object') return first.length;
      return this.fail('takes the length of a number');
    }
    if (name === 'sum') return numbers.reduce((sum, value) => sum + value, 0);
    if (name === 'bool') return truth(values[0] ?? 0);
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
    if (typeof value === 'string' || typeof value === 'object') {
      return this.fail(`takes ${JSON.stringify(value)} for a number`);
    }
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

/** `text % values`: every conversion takes the next value as it is. */
function formatted(text: string, values: Value): string {
  const list = typeof values === 'object' ? [...values] : [values];
  return text.replace(/%(?:%|[-+0 #]*\d*(?:\.\d+)?[a-zA-Z])/g, (whole) =>
    whole === '%%' ? '%' : String(list.shift() ?? whole),
  );
}

/** True and 1 are equal, as in Python. */
function isSame(a: Value, b: Value): boolean {
  if (typeof a === 'object' || typeof b === 'object') {
    if (typeof a !== 'object' || typeof b !== 'object' || a.length !== b.length) return false;
    return a.every((item, index) => isSame(item, b[index]));
  }
  return (typeof a === 'boolean' ? Number(a) : a) === (typeof b === 'boolean' ? Number(b) : b);
}
