/** Errors as Node's own sockets give them: the same codes, messages and properties, so that existing code finds its way. */
import { constants } from 'node:os';
import { getSystemErrorMap, inspect } from 'node:util';

/** libuv's codes that are no errno of the system. */
const LIBUV_ERRNO: Readonly<Record<string, number>> = { ECANCELED: -125 };

/** The negative number that libuv gives for an error name; 0 for an unknown one. */
function errnoOf(code: string): number {
  const errno = (constants.errno as Readonly<Record<string, number | undefined>>)[code];
  return errno === undefined ? (LIBUV_ERRNO[code] ?? 0) : -errno;
}

/** ` 192.0.2.1:80`, or nothing. */
function place(address: string | undefined, port: number | undefined): string {
  if (address === undefined) return '';
  return port === undefined || port < 0 ? ` ${address}` : ` ${address}:${port}`;
}

/** A call that the network failed. `code` is the errno name; the message is for people. */
export class SocketError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;
  declare readonly address?: string;
  declare readonly port?: number;
  declare localAddress?: string;
  declare localPort?: number;

  /** @param details said after the address: the local side of a failed connect */
  constructor(code: string, syscall: string, address?: string, port?: number, details?: string) {
    super(`${syscall} ${code}${place(address, port)}${details === undefined ? '' : ` - Local (${details})`}`);
    this.errno = errnoOf(code);
    this.code = code;
    this.syscall = syscall;
    if (address !== undefined) this.address = address;
    if (port !== undefined) this.port = port;
  }

  /** As `listen` words it: with the system's explanation. */
  static explained(code: string, syscall: string, address?: string, port?: number): SocketError {
    const error = new SocketError(code, syscall, address, port);
    const explanation = getSystemErrorMap().get(error.errno)?.[1] ?? 'the call failed';
    error.message = `${syscall} ${code}: ${explanation}${place(address, port)}`;
    return error;
  }
}

// As in Node the class has no name of its own: programs compare `error.constructor`.
Object.defineProperty(SocketError.prototype, 'constructor', { value: Error, writable: true, configurable: true });

/** Several attempts to connect that have all failed; `code` is that of the first. */
export function connectAttemptsError(errors: readonly Error[]): AggregateError & { code: string | undefined } {
  return Object.assign(new AggregateError(errors), { code: (errors[0] as { code?: string } | undefined)?.code });
}

/** An error with one of Node's own codes, of the class that Node gives it. */
function coded<T extends Error>(error: T, code: string): T & { code: string } {
  const { name } = error;
  // As in Node the code stands in the stack, not in the name.
  error.name = `${name} [${code}]`;
  void error.stack;
  Object.defineProperty(error, 'name', { value: name, enumerable: false, writable: true, configurable: true });
  return Object.assign(error, { code });
}

/** What was received, in Node's words. */
function received(value: unknown): string {
  if (value === null || value === undefined) return `${value}`;
  if (typeof value === 'function') return value.name === '' ? 'function ' : `function ${value.name}`;
  if (typeof value === 'object') {
    const name = (value as { constructor?: { name?: string } }).constructor?.name;
    return name === undefined || name === '' ? inspect(value, { depth: -1 }) : `an instance of ${name}`;
  }
  const text = inspect(value, { colors: false });
  return `type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`;
}

function nameOf(name: string): string {
  return `"${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

/** Joins as in "a, b or c". */
function either(words: readonly string[]): string {
  if (words.length < 3) return words.join(' or ');
  return `${words.slice(0, -1).join(', ')}, or ${words[words.length - 1]}`;
}

/** @param expected types in lower case, classes in upper case, or the one name of a class in a module */
export function invalidArgType(name: string, expected: readonly string[], value: unknown): TypeError {
  const types = expected.filter((word) => word === word.toLowerCase() || word === 'Object' || word === 'Function');
  const classes = expected.filter((word) => !types.includes(word));
  const parts: string[] = [];
  if (types.length > 0) {
    const words = types.map((word) => word.toLowerCase());
    parts.push(`${words.length > 1 ? 'one of type' : 'of type'} ${either(words)}`);
  }
  // Node knows a class by its name alone, and not when that has a module before it.
  if (classes.length > 0) parts.push(`an ${classes[0].includes('.') ? '' : 'instance of '}${either(classes)}`);
  const message = `The ${nameOf(name)} must be ${parts.join(' or ')}. Received ${received(value)}`;
  return coded(new TypeError(message), 'ERR_INVALID_ARG_TYPE');
}

export function invalidArgValue(name: string, value: unknown, reason = 'is invalid'): TypeError {
  const text = inspect(value);
  const shown = text.length > 128 ? `${text.slice(0, 128)}...` : text;
  const kind = name.includes('.') ? 'property' : 'argument';
  return coded(new TypeError(`The ${kind} '${name}' ${reason}. Received ${shown}`), 'ERR_INVALID_ARG_VALUE');
}

export function outOfRange(name: string, range: string, value: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${grouped(value)}`;
  return coded(new RangeError(message), 'ERR_OUT_OF_RANGE');
}

/** Large whole numbers with separators, as Node shows them. */
function grouped(value: unknown): string {
  const text = inspect(value);
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) <= 2 ** 32) return text;
  return text.replace(/\B(?=(\d{3})+(?!\d))/g, '_');
}

export function badPort(name: string, value: unknown): RangeError {
  return coded(
    new RangeError(`${name} should be >= 0 and < 65536. Received ${received(value)}.`),
    'ERR_SOCKET_BAD_PORT',
  );
}

export function missingArgs(...names: string[]): TypeError {
  const list = either(names.map((name) => `"${name}"`))
    .replaceAll(', ', ' or ')
    .replaceAll('or or', 'or');
  return coded(new TypeError(`The ${list} argument must be specified`), 'ERR_MISSING_ARGS');
}

export function invalidIpAddress(value: unknown): TypeError {
  return coded(new TypeError(`Invalid IP address: ${String(value)}`), 'ERR_INVALID_IP_ADDRESS');
}

/** ERR_IP_BLOCKED: the address is one that `blockList` keeps out. */
export function addressBlocked(address: string): Error & { code: string } {
  return coded(new Error(`IP(${address}) is blocked by net.BlockList`), 'ERR_IP_BLOCKED');
}

export function invalidAddressFamily(family: unknown, host: string | undefined, port: unknown): RangeError {
  const error = coded(
    new RangeError(`Invalid address family: ${String(family)} ${host}:${String(port)}`),
    'ERR_INVALID_ADDRESS_FAMILY',
  );
  return Object.assign(error, { host, port });
}

export function invalidFdType(type: string): TypeError {
  return coded(new TypeError(`Unsupported fd type: ${type}`), 'ERR_INVALID_FD_TYPE');
}

export function invalidHandleType(): TypeError {
  return coded(new TypeError('This handle type cannot be sent'), 'ERR_INVALID_HANDLE_TYPE');
}

/** Errors of state, by code. */
const STATE_MESSAGES = {
  EPIPE: 'This socket has been ended by the other party',
  ERR_SERVER_ALREADY_LISTEN: 'Listen method has been called more than once without closing.',
  ERR_SERVER_NOT_RUNNING: 'Server is not running.',
  ERR_SOCKET_CLOSED: 'Socket is closed',
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION: 'Socket closed before the connection was established',
  ERR_SOCKET_CONNECTION_TIMEOUT: 'Socket connection timeout',
} as const;

export function stateError(code: keyof typeof STATE_MESSAGES): Error & { code: string } {
  const error = new Error(STATE_MESSAGES[code]);
  return code === 'EPIPE' ? Object.assign(error, { code }) : coded(error, code);
}
