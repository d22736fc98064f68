/** The argument forms of `connect` and `listen`: port, host and callback, path and callback, or options and callback. */

/** What `normalizeArguments` answers: the options, and the callback or null. */
export type NormalizedArguments<O> = [O, (() => void) | null];

const normalized = Symbol('normalizedArgs');

/** A number that is not negative, else false. */
export function toNumber(value: unknown): number | false {
  const number = Number(value);
  return number >= 0 ? number : false;
}

/** Whether a first argument names a pipe: text that is no number. */
export function isPipeName(value: unknown): value is string {
  return typeof value === 'string' && toNumber(value) === false;
}

/** Reads `(options[, callback])`, `(path[, callback])` or `([port][, host][, callback])`. */
export function normalizeArguments<O extends object>(values: readonly unknown[]): NormalizedArguments<O> {
  const [first, second] = values;
  let options: Record<string, unknown> = {};
  if (values.length === 0) return mark([options as O, null]);
  if (typeof first === 'object' && first !== null) options = first as Record<string, unknown>;
  else if (isPipeName(first)) options['path'] = first;
  else {
    options['port'] = first;
    if (typeof second === 'string') options['host'] = second;
  }
  const callback = values[values.length - 1];
  return mark([options as O, typeof callback === 'function' ? (callback as () => void) : null]);
}

/** Whether a value comes from `normalizeArguments`: it is not read twice. */
export function isNormalized<O extends object>(value: unknown): value is NormalizedArguments<O> {
  return Array.isArray(value) && normalized in value;
}

function mark<O>(result: NormalizedArguments<O>): NormalizedArguments<O> {
  Object.defineProperty(result, normalized, { value: true });
  return result;
}
