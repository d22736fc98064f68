/**
 * The code in `%{ … }%`: assertions about TCP_INFO, in the part of Python that they need: `assert`, `print`, assignments,
 * `if`, `elif`, `else`, arithmetic, comparisons, `and`, `or`, `not`, `in`. It is evaluated here and by nothing else.
 */
import { ExpressionParser, truth, type Value } from './code-expression.ts';
import { ScriptFailure, ScriptSyntaxError } from './errors.ts';
import { TCP_INFO_CONSTANTS } from './tcp-info.ts';

/** Names that code has assigned: what one event leaves is there for the next. */
export type Names = Map<string, Value>;

/** Runs the code of one event. Returns what it printed. @throws ScriptFailure, ScriptSyntaxError */
export function runCode(
  text: string,
  line: number,
  members: Readonly<Record<string, number>>,
  names: Names = new Map(),
): string[] {
  for (const [name, value] of Object.entries({ ...TCP_INFO_CONSTANTS, ...members })) names.set(name, value);
  names.set('True', true).set('False', false).set('None', 0);
  const printed: string[] = [];
  new CodeRunner(statementsOf(text, line), names, printed).block(0, true);
  return printed;
}

interface Statement {
  readonly text: string;
  readonly line: number;
  /** Blanks in front of it. */
  readonly indent: number;
}

/** Statements end with a line or a semicolon, unless a bracket is open. */
function statementsOf(text: string, firstLine: number): Statement[] {
  const statements: Statement[] = [];
  let line = firstLine;
  let begun = firstLine;
  let current = '';
  let depth = 0;
  let quote = '';
  let indent = 0;
  const end = (): void => {
    if (current.trim() !== '') statements.push({ text: current.trim(), line: begun, indent });
    current = '';
    begun = line;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\n') line++;
    if (quote !== '') {
      if (c === '\\') current += text[i++];
      else if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '(' || c === '[') depth++;
    else if (c === ')' || c === ']') depth--;
    else if (c === '#') {
      while (i + 1 < text.length && text[i + 1] !== '\n') i++;
      continue;
    } else if (c === '\\' && text[i + 1] === '\n') {
      i++;
      line++;
      current += ' ';
      continue;
    } else if ((c === '\n' || c === ';') && depth === 0) {
      end();
      continue;
    }
    if (current.trim() === '' && c.trim() !== '') {
      begun = line;
      // The first line stands behind %{ and its blanks say nothing.
      indent = statements.length === 0 ? 0 : current.length;
    }
    current += text[i];
  }
  end();
  return statements;
}

class CodeRunner {
  private readonly statements: readonly Statement[];
  private readonly names: Names;
  private readonly printed: string[];
  private at = 0;

  constructor(statements: readonly Statement[], names: Names, printed: string[]) {
    this.statements = statements;
    this.names = names;
    this.printed = printed;
  }

  /** Runs, or passes over, everything that is indented by at least `indent`. */
  block(indent: number, isActive: boolean): void {
    for (let next = this.statements[this.at]; next !== undefined; next = this.statements[this.at]) {
      if (next.indent < indent) return;
      if (/^if\b/.test(next.text)) this.branches(next.indent, isActive);
      else {
        this.at++;
        if (isActive) this.run(next);
      }
    }
  }

  private branches(indent: number, isActive: boolean): void {
    let isDecided = !isActive;
    for (let keyword = /^if\b/; ; keyword = /^(?:elif|else)\b/) {
      const statement = this.statements[this.at];
      if (statement === undefined || statement.indent !== indent || !keyword.test(statement.text)) return;
      this.at++;
      const { condition, rest } = parseBranch(statement);
      const isTaken = !isDecided && (condition === null || truth(this.evaluate(condition, statement.line)));
      isDecided ||= isTaken;
      if (rest !== '') {
        if (isTaken) this.run({ text: rest, line: statement.line, indent });
      } else this.block(indent + 1, isTaken);
    }
  }

  private evaluate(text: string, line: number): Value {
    const parser = new ExpressionParser(text, line, this.names);
    const value = parser.expression();
    parser.expectEnd();
    return value;
  }

  private run({ text, line }: Statement): void {
    const { names } = this;
    const keyword = /^[A-Za-z_]\w*/.exec(text)?.[0] ?? '';
    if (keyword === 'assert') {
      this.assert(text, line);
      return;
    }
    if (keyword === 'print') {
      const values = new ExpressionParser(text.slice(5), line, names).all();
      const list = values.length === 1 && typeof values[0] === 'object' ? values[0] : values;
      this.printed.push(list.map(String).join(' '));
      return;
    }
    const assignment = /^([A-Za-z_]\w*)\s*([-+*]|\/\/?)?=(?!=)/.exec(text);
    if (assignment !== null) {
      const [whole, name, operator] = assignment;
      const rest = text.slice(whole.length);
      names.set(name, this.evaluate(operator === undefined ? rest : `${name} ${operator} (${rest})`, line));
      return;
    }
    if (/^(?:import|from|pass)\b/.test(text)) return;
    const what = 'only assert, print, if and assignments can stand in %{ }%';
    throw new ScriptSyntaxError(line, `"${text.split('\n')[0]}": ${what}`);
  }

  private assert(text: string, line: number): void {
    const { names } = this;
    const parser = new ExpressionParser(text.slice(6), line, names);
    const value = parser.expression();
    const message = parser.rest().replace(/^,\s*/, '');
    if (truth(value)) return;
    const used = [...new Set(text.match(/\btcpi_\w+/g) ?? [])].map((name) => `${name} is ${String(names.get(name))}`);
    const note = message === '' ? '' : ` (${message})`;
    const whole = text.split(/\s+/).join(' ');
    throw new ScriptFailure(line, `${whole} does not hold${note}${used.length > 0 ? `: ${used.join(', ')}` : ''}`);
  }
}

/** `if condition:`, `elif condition: statement`, `else:`. A condition of null always holds. */
function parseBranch({ text, line }: Statement): { readonly condition: string | null; readonly rest: string } {
  const colon = colonOf(text);
  if (colon < 0) throw new ScriptSyntaxError(line, `"${text.split('\n')[0]}" misses a colon`);
  const rest = text.slice(colon + 1).trim();
  const condition = text.slice(0, colon).replace(/^(?:if|elif|else)\b/, '');
  return { condition: text.startsWith('else') ? null : condition, rest };
}

/** Where the first colon stands that is in no string and no bracket; -1 when there is none. */
function colonOf(text: string): number {
  let depth = 0;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote !== '') {
      if (c === '\\') i++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '(' || c === '[') depth++;
    else if (c === ')' || c === ']') depth--;
    else if (c === ':' && depth === 0) return i;
  }
  return -1;
}
