/** Numbers with units as people type them, and as they read them. */
import { InvalidArgumentError } from 'commander';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
};

/** More than anybody waits for. */
const LARGEST_SIZE = 1024 ** 4;

const RATE_UNITS: Readonly<Record<string, number>> = { '': 1, bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

const DURATION_UNITS: Readonly<Record<string, number>> = { us: 1, µs: 1, ms: 1_000, s: 1_000_000 };

function quantity(text: string, units: Readonly<Record<string, number>>, example: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zµ]*)$/i.exec(text.trim());
  const factor = match === null ? undefined : units[match[2].toLowerCase()];
  if (match === null || factor === undefined) {
    throw new InvalidArgumentError(`Use a number with a unit, for example ${example}.`);
  }
  return Number(match[1]) * factor;
}

/** Bytes, at least 1: `64MiB`, `10MB`, `4096`. */
export function parseSize(text: string): number {
  const bytes = Math.floor(quantity(text, SIZE_UNITS, '64MiB'));
  if (bytes < 1) throw new InvalidArgumentError('Use at least one byte.');
  if (bytes > LARGEST_SIZE) throw new InvalidArgumentError('Use at most 1TiB.');
  return bytes;
}

/** Microseconds: `2ms`, `500us`, `1s`. */
export function parseDuration(text: string): number {
  const microseconds = Math.round(quantity(text, DURATION_UNITS, '2ms'));
  if (microseconds > 10_000_000) throw new InvalidArgumentError('Use at most 10s.');
  return microseconds;
}

/** Bits per second: `100Mbit`, `1Gbit`. */
export function parseRate(text: string): number {
  const rate = quantity(text, RATE_UNITS, '100Mbit');
  if (rate < 1000 || rate > 1e12) throw new InvalidArgumentError('Use 1kbit to 1000Gbit.');
  return rate;
}

/** A share of all frames, 0 up to 0.5: beyond that no transport can work. */
export function parseProbability(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 0.5))
    throw new InvalidArgumentError('Use a number from 0 to 0.5.');
  return value;
}

/** A parser for whole numbers within bounds. */
export function parseInteger(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text.trim()) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`Use a whole number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** `ADDRESS:PORT` of this machine. */
export function parseEndpoint(text: string): { address: string; port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text.trim());
  if (match === null || Number(match[2]) > 65_535) {
    throw new InvalidArgumentError('Use ADDRESS:PORT, for example 127.0.0.1:8080.');
  }
  return { address: match[1].replace(/^\[(.*)\]$/, '$1'), port: Number(match[2]) };
}

/** Bytes for people: `64.0 MiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`;
}
