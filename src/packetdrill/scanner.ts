/** A cursor over the text of a script: skips blanks and comments, knows its line. */
import { ScriptSyntaxError } from './errors.ts';

const NUMBER = /(?:0[xX][0-9a-fA-F]+|\d+)/y;
const DECIMAL = /(?:\d+(?:\.\d+)?|\.\d+)/y;
/** 24 days and a bit: what PAWS needs at most, and less than 2^31 ticks. */
const LONGEST_SECONDS = 2_100_000;

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;

export class Scanner {
  private text: string;
  private position = 0;
  private countedTo = 0;
  private lines = 1;

  constructor(text: string) {
    this.text = text;
  }

  /** Line of the next character that counts. */
  get line(): number {
    this.skip();
    for (; this.countedTo < this.position; this.countedTo++) {
      if (this.text.charCodeAt(this.countedTo) === 10) this.lines++;
    }
    return this.lines;
  }

  get atEnd(): boolean {
    this.skip();
    return this.position >= this.text.length;
  }

  /** Skips blanks and the comments of C, C++ and shells. */
  private skip(): void {
    const { text } = this;
    for (;;) {
      const c = text[this.position];
      if (c === ' ' || c === '\t' || c === '\n' || c === '\r') this.position++;
      else if (c === '#' || text.startsWith('//', this.position)) {
        const end = text.indexOf('\n', this.position);
        this.position = end < 0 ? text.length : end;
      } else if (text.startsWith('/*', this.position)) {
        const end = text.indexOf('*/', this.position + 2);
        if (end < 0) throw new ScriptSyntaxError(this.lineHere(), 'a comment that begins with /* has no end');
        this.position = end + 2;
      } else return;
    }
  }

  private lineHere(): number {
    return this.text.slice(0, this.position).split('\n').length;
  }

  /** Whether `what` comes next. */
  sees(what: string): boolean {
    this.skip();
    return this.text.startsWith(what, this.position);
  }

  /** Whether a match of the sticky expression comes next. */
  looksLike(pattern: RegExp): boolean {
    this.skip();
    pattern.lastIndex = this.position;
    return pattern.test(this.text);
  }

  /** Takes `what` if it comes next. */
  accept(what: string): boolean {
    if (!this.sees(what)) return false;
    this.position += what.length;
    return true;
  }

  /** Takes a whole word if it comes next. */
  acceptWord(word: string): boolean {
    this.skip();
    NAME.lastIndex = this.position;
    if (NAME.exec(this.text)?.[0] !== word) return false;
    this.position += word.length;
    return true;
  }

  expect(what: string): void {
    if (!this.accept(what)) this.fail(`expected "${what}"`);
  }

  /** Takes a match of a sticky expression, or answers null. */
  take(pattern: RegExp): string | null {
    this.skip();
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.text);
    if (match === null) return null;
    this.position += match[0].length;
    return match[0];
  }

  /** A decimal or hexadecimal integer. */
  integer(what: string): number {
    const digits = this.take(NUMBER);
    return digits === null ? this.fail(`expected ${what}, a number`) : Number(digits);
  }

  /** Seconds with a fraction, as whole microseconds; null when no number comes next. */
  seconds(): number | null {
    const digits = this.take(DECIMAL);
    if (digits === null) return null;
    if (Number(digits) > LONGEST_SECONDS)
      this.fail(`${digits} seconds are more than a clock of milliseconds can count; next`);
    return Math.round(Number(digits) * 1_000_000);
  }

  name(what: string): string {
    return this.take(NAME) ?? this.fail(`expected ${what}`);
  }

  /** Puts another text in place of what has not been read. It must have as many lines. */
  replaceRest(replace: (rest: string) => string): void {
    const { line } = this;
    this.text = this.text.slice(0, this.position) + replace(this.text.slice(this.position));
    this.countedTo = this.position;
    this.lines = line;
  }

  /** Everything up to `end`, which is taken as well. Comments count as text. */
  until(end: string, what: string): string {
    const at = this.text.indexOf(end, this.position);
    if (at < 0) this.fail(`${what} has no end: ${end} is missing`);
    const inside = this.text.slice(this.position, at);
    this.position = at + end.length;
    return inside;
  }

  /** @throws ScriptSyntaxError that names what comes next. */
  fail(message: string): never {
    const { line } = this;
    const next = this.text.slice(this.position).split('\n')[0].slice(0, 30);
    throw new ScriptSyntaxError(line, `${message}, not ${next === '' ? 'the end of the script' : `"${next}"`}`);
  }
}
