/** Every way in which a connection with the kernel can be opened, used and closed, over every kind of wire. */
import type { DirectionSettings } from '../../src/link/index.ts';
import type { TcpParameters } from '../../src/tcp/index.ts';
import type { Closing } from './connection-end.mjs';

/** What is left out of a wire is perfect, both ways. */
export interface Wire {
  readonly name: string;
  /** The kernel sums and segments (class A); only where nothing is done to the frames. */
  readonly offload: boolean;
  readonly impairments?: Partial<DirectionSettings>;
  /** Bytes that a side sends which sends. */
  readonly bytes: number;
  /** Settings of the kernel, names below `net.ipv4`. */
  readonly sysctls?: Readonly<Record<string, number>>;
  /** Settings of our TCP. */
  readonly parameters?: Partial<TcpParameters>;
}

/** A little longer than memory: what overtakes must have something to overtake. */
const DELAY = { delayMicroseconds: 200 };
const KIBIBYTE = 1024;

/**
 * Damage needs class B: on a link that vouches for checksums (class A) nobody verifies any, and the impairments, which see
 * the frames of the wire, would damage bytes that no checksum covers. That is the wire's fault there, and nobody can notice.
 */
export const WIRES: readonly Wire[] = [
  { name: 'clean, class A', offload: true, bytes: 1024 * KIBIBYTE },
  { name: 'clean, class B', offload: false, bytes: 512 * KIBIBYTE },
  { name: '1 % loss', offload: false, bytes: 256 * KIBIBYTE, impairments: { ...DELAY, loss: 0.01 } },
  { name: '5 % loss', offload: false, bytes: 128 * KIBIBYTE, impairments: { ...DELAY, loss: 0.05 } },
  { name: 'reordering', offload: false, bytes: 256 * KIBIBYTE, impairments: { ...DELAY, reorder: 0.05 } },
  { name: 'duplication', offload: false, bytes: 256 * KIBIBYTE, impairments: { ...DELAY, duplicate: 0.05 } },
  { name: 'corruption', offload: false, bytes: 128 * KIBIBYTE, impairments: { ...DELAY, corrupt: 0.02 } },
  {
    name: '1 % loss, a kernel without SACK, timestamps and window scale',
    offload: false,
    bytes: 128 * KIBIBYTE,
    impairments: { ...DELAY, loss: 0.01 },
    sysctls: { tcp_sack: 0, tcp_timestamps: 0, tcp_window_scaling: 0 },
  },
  {
    name: 'congestion marks, both ends ask for ECN',
    offload: false,
    bytes: 128 * KIBIBYTE,
    impairments: { ...DELAY, congestion: 0.05 },
    sysctls: { tcp_ecn: 1 },
    parameters: { ecn: 'request' },
  },
];

export const FAMILIES = ['IPv4', 'IPv6'] as const;

export const OPENS = ['we open', 'the kernel opens'] as const;

/** Who sends. */
export const DIRECTIONS = ['we send', 'the kernel sends', 'both send'] as const;

/** How the two ends close. A connection is half closed by who has nothing to send, or else by who opened it. */
export const CLOSINGS = [
  'we close first',
  'the kernel closes first',
  'both close at once',
  'half closed, then the rest',
  'we abort',
  'the kernel aborts',
] as const;

export interface Cell {
  readonly family: (typeof FAMILIES)[number];
  readonly open: (typeof OPENS)[number];
  readonly direction: (typeof DIRECTIONS)[number];
  readonly closing: (typeof CLOSINGS)[number];
  /** Whether the connection moves between the host stack and the target all the time. */
  readonly moves: boolean;
  /** The port that one end listens on. */
  readonly port: number;
}

const FIRST_PORT = 20_000;

/** All of them; of two that differ in one thing, one moves. */
export function cells(): Cell[] {
  const all: Cell[] = [];
  FAMILIES.forEach((family, a) => {
    OPENS.forEach((open, b) => {
      DIRECTIONS.forEach((direction, c) => {
        CLOSINGS.forEach((closing, d) => {
          all.push({
            family,
            open,
            direction,
            closing,
            moves: (a + b + c + d) % 2 === 0,
            port: FIRST_PORT + all.length,
          });
        });
      });
    });
  });
  return all;
}

export function nameOf({ family, open, direction, closing, moves }: Cell): string {
  return `${family}, ${open}, ${direction}, ${closing}${moves ? ', moving' : ''}`;
}

/** How our end and the kernel's close. */
export function closingsOf({ closing, direction, open }: Cell): { ours: Closing; theirs: Closing } {
  switch (closing) {
    case 'we close first':
      return { ours: 'first', theirs: 'second' };
    case 'the kernel closes first':
      return { ours: 'second', theirs: 'first' };
    case 'both close at once':
      return { ours: 'together', theirs: 'together' };
    case 'half closed, then the rest': {
      const isOurs = direction === 'the kernel sends' || (direction === 'both send' && open === 'we open');
      return isOurs
        ? { ours: 'fin-at-once', theirs: 'rest-after-fin' }
        : { ours: 'rest-after-fin', theirs: 'fin-at-once' };
    }
    case 'we abort':
      return { ours: 'aborts', theirs: 'is-aborted' };
    case 'the kernel aborts':
      return { ours: 'is-aborted', theirs: 'aborts' };
  }
}
