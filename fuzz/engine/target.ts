/** What a fuzz target is: something that takes bytes from a peer, a network or a file. */

/** How inputs of a target are built, and therefore how they are mutated. */
export type InputShape =
  /** Bytes without structure that the engine knows. */
  | 'bytes'
  /** A sequence of records (`records.ts`): steps of a scenario. */
  | 'records'
  /** Text: words, numbers, punctuation, lines. */
  | 'text';

/** What inputs are fed to. Several may be fed to the same one: it must not grow without bound. */
export interface FuzzSubject {
  /**
   * Takes one input.
   *
   * @throws whatever the code under test throws, and `FuzzFailure` when something that must hold does not
   */
  feed(input: Uint8Array): void;
  /** Ends the subject, and checks what must hold then. */
  finish(): void;
}

export interface FuzzTarget {
  readonly name: string;
  /** For people: what is under test. */
  readonly covers: string;
  readonly shape: InputShape;
  /** Longer inputs are never made, bytes. */
  readonly maximumLength: number;
  /** Strings of bytes that mean something to the code under test. */
  readonly dictionary: readonly Uint8Array[];
  /** Valid inputs to begin with, beside the recorded corpus. */
  seeds(): Uint8Array[];
  start(): FuzzSubject;
}

/** Something that must hold for every input does not. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

/** @throws FuzzFailure when `condition` is false */
export function check(condition: boolean, what: string): void {
  if (!condition) throw new FuzzFailure(what);
}

/** One execution: a fresh subject takes one input. */
export function execute(target: FuzzTarget, input: Uint8Array): void {
  const subject = target.start();
  subject.feed(input);
  subject.finish();
}

/** A target without state: `take` is called with each input. */
export function stateless(
  description: Omit<FuzzTarget, 'start' | 'dictionary'> & { readonly dictionary?: readonly Uint8Array[] },
  take: (input: Uint8Array) => void,
): FuzzTarget {
  return { dictionary: [], ...description, start: () => ({ feed: take, finish() {} }) };
}

/** Bytes of a text, for dictionaries and seeds. */
export function bytesOfText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
