/** Checks of what applications pass, with Node's codes (`ERR_INVALID_ARG_TYPE` and its relatives). */
import { BlockList } from 'node:net';
import { badPort, invalidArgType, outOfRange } from './errors.ts';

const MAXIMUM_INT32 = 0x7fffffff;

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function validateNumber(value: unknown, name: string): asserts value is number {
  if (typeof value !== 'number') throw invalidArgType(name, ['number'], value);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function validateString(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw invalidArgType(name, ['string'], value);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function validateBoolean(value: unknown, name: string): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalidArgType(name, ['boolean'], value);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function validateFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw invalidArgType(name, ['Function'], value);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE @throws RangeError ERR_OUT_OF_RANGE */
export function validateInt32(value: unknown, name: string, least: number): asserts value is number {
  validateNumber(value, name);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < least || value > MAXIMUM_INT32) throw outOfRange(name, `>= ${least} && <= ${MAXIMUM_INT32}`, value);
}

/** @throws TypeError ERR_INVALID_ARG_TYPE */
export function validateAbortSignal(value: unknown, name: string): asserts value is AbortSignal {
  if (value === undefined || (typeof value === 'object' && value !== null && 'aborted' in value)) return;
  throw invalidArgType(name, ['AbortSignal'], value);
}

/** The port as a number. Text is read as a number, as Node does. @throws RangeError ERR_SOCKET_BAD_PORT */
export function validatePort(value: unknown, name = 'Port'): number {
  const isText = typeof value === 'string' && value.trim().length > 0;
  if (typeof value !== 'number' && !isText) throw badPort(name, value);
  const port = Number(value);
  if (port !== port >>> 0 || port > 0xffff) throw badPort(name, value);
  return port;
}

/** Longest platform timer, milliseconds. */
const LONGEST_TIMEOUT = 0x7fffffff;

/** A timer's duration, milliseconds; too long ones are cut with a warning. @throws TypeError, RangeError as `timers` */
export function timerDuration(value: unknown, name: string): number {
  validateNumber(value, name);
  if (value < 0 || !Number.isFinite(value)) throw outOfRange(name, 'a non-negative finite number', value);
  if (value <= LONGEST_TIMEOUT) return value;
  const message = `${value} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${LONGEST_TIMEOUT}.`;
  process.emitWarning(message, 'TimeoutOverflowWarning');
  return LONGEST_TIMEOUT;
}

/** @throws TypeError ERR_INVALID_ARG_TYPE for what is no BlockList. What is false in any way counts as none. */
export function validateBlockList(value: unknown): BlockList | undefined {
  if (!value) return undefined;
  if (value instanceof BlockList) return value;
  throw invalidArgType('options.blockList', ['net.BlockList'], value);
}
