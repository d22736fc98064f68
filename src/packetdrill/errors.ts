/** What can be wrong with a script: its text, or what the stack did. Both name a line of the script. */

/** The text of a script cannot be understood, or asks for something that there is no way to do here. */
export class ScriptSyntaxError extends Error {
  /** 1 for the first line. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** The stack did not do what the script says. */
export class ScriptFailure extends Error {
  /** Line of the event that was not fulfilled; 1 for the first line. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}
