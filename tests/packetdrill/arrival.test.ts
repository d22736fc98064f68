/**
 * Every state × flags × place in the window, as scripts, against an oracle of its own (RFC 9293 section 3.10.7, RFC 5961), in
 * each personality: what is answered, and which state follows.
 */
import { describe, expect, it } from 'vitest';
import { runScript } from '../../src/packetdrill/index.ts';
import { TcpFlag } from '../../src/wire/index.ts';
import { type Arrival, expectedOutcome, type Outcome, type StateName, type Style } from './arrival-oracle.ts';

/** What brings a connection into a state, and what its variables are then: SND.UNA, SND.NXT, RCV.NXT. */
interface Setup {
  readonly text: string;
  readonly una: number;
  readonly next: number;
  readonly received: number;
}

const LISTEN = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 5) = 0
`;
const SYN_RECEIVED = `${LISTEN}+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
`;
const ESTABLISHED = `${SYN_RECEIVED}+0.01 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
`;
const FIN_WAIT_1 = `${ESTABLISHED}+0 shutdown(4, SHUT_WR) = 0
+0 > F. 1:1(0) ack 1
`;
const FIN_WAIT_2 = `${FIN_WAIT_1}+0.01 < . 1:1(0) ack 2 win 65535
`;
const CLOSE_WAIT = `${ESTABLISHED}+0 < F. 1:1(0) ack 1 win 65535
+0 > . 1:1(0) ack 2
`;

const SETUPS: Readonly<Record<StateName, Setup>> = {
  CLOSED: { text: '0 `true`\n', una: 0, next: 0, received: 0 },
  LISTEN: { text: LISTEN, una: 0, next: 0, received: 0 },
  'SYN-SENT': {
    text: `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(4, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) <...>
`,
    una: 0,
    next: 1,
    received: 0,
  },
  'SYN-RECEIVED': { text: SYN_RECEIVED, una: 0, next: 1, received: 1 },
  ESTABLISHED: { text: ESTABLISHED, una: 1, next: 1, received: 1 },
  'FIN-WAIT-1': { text: FIN_WAIT_1, una: 1, next: 2, received: 1 },
  'FIN-WAIT-2': { text: FIN_WAIT_2, una: 2, next: 2, received: 1 },
  'CLOSE-WAIT': { text: CLOSE_WAIT, una: 1, next: 1, received: 2 },
  'LAST-ACK': {
    text: `${CLOSE_WAIT}+0 shutdown(4, SHUT_WR) = 0\n+0 > F. 1:1(0) ack 2\n`,
    una: 1,
    next: 2,
    received: 2,
  },
  CLOSING: {
    text: `${FIN_WAIT_1}+0 < F. 1:1(0) ack 1 win 65535\n+0 > . 2:2(0) ack 2\n`,
    una: 1,
    next: 2,
    received: 2,
  },
  'TIME-WAIT': {
    text: `${FIN_WAIT_2}+0 < F. 1:1(0) ack 2 win 65535\n+0 > . 2:2(0) ack 2\n`,
    una: 2,
    next: 2,
    received: 2,
  },
};

const STATE_NUMBERS: Readonly<Record<StateName, string>> = {
  CLOSED: 'TCPI_CLOSED',
  LISTEN: 'TCPI_LISTEN',
  'SYN-SENT': 'TCPI_SYN_SENT',
  'SYN-RECEIVED': 'TCPI_SYN_RECEIVED',
  ESTABLISHED: 'TCPI_ESTABLISHED',
  'FIN-WAIT-1': 'TCPI_FIN_WAIT_1',
  'FIN-WAIT-2': 'TCPI_FIN_WAIT_2',
  'CLOSE-WAIT': 'TCPI_CLOSE_WAIT',
  CLOSING: 'TCPI_CLOSING',
  'LAST-ACK': 'TCPI_LAST_ACK',
  'TIME-WAIT': 'TCPI_TIME_WAIT',
};

const { SYN, ACK, RST, FIN, PSH, URG } = TcpFlag;
const COMBINATIONS = [
  0,
  SYN,
  SYN | ACK,
  ACK,
  RST,
  RST | ACK,
  FIN,
  FIN | ACK,
  PSH | ACK,
  URG | ACK,
  SYN | FIN,
  SYN | RST,
];

const LETTERS: readonly (readonly [number, string])[] = [
  [FIN, 'F'],
  [SYN, 'S'],
  [RST, 'R'],
  [PSH, 'P'],
  [URG, 'U'],
  [ACK, '.'],
];

const lettersOf = (flags: number): string =>
  flags === 0 ? '-' : LETTERS.map(([bit, letter]) => (flags & bit ? letter : '')).join('');

/** Without scaling and with a large buffer; a FIN takes one octet of it, unless the stack offers all that is free. */
function windowOf(style: Style, { received }: Setup): number {
  return received > 1 && style !== 'bsd' ? 65_534 : 65_535;
}

function arrivalsIn(style: Style, state: StateName): Arrival[] {
  const setup = SETUPS[state];
  const window = windowOf(style, setup);
  const hasWindow = setup.received > 0;
  const offsets = hasWindow ? [-1, 0, 100, window - 1, window, window + 1] : [0, 1000];
  const arrivals: Arrival[] = [];
  for (const flags of COMBINATIONS) {
    for (const offset of offsets) {
      // The text of a reset or a SYN changes little.
      for (const length of flags & RST || (flags & SYN && offset > 0) ? [0] : [0, 10]) {
        for (const acknowledges of flags & ACK ? (['una', 'next', 'unsent'] as const) : (['una'] as const)) {
          if (acknowledges === 'una' && flags & ACK && setup.una === setup.next) continue;
          arrivals.push({ state, flags, offset, length, acknowledges, window });
        }
      }
    }
  }
  return arrivals;
}

function segmentText({ flags, offset, length, acknowledges }: Arrival, { una, next, received }: Setup): string {
  const sequence = (received + offset) >>> 0;
  const ack = acknowledges === 'una' ? una : acknowledges === 'next' ? next : next + 1;
  const end = (sequence + length) >>> 0;
  const urgent = flags & URG ? ' urg 1' : '';
  const mss = flags & SYN && !(flags & RST) ? ' <mss 1000>' : '';
  return `${lettersOf(flags)} ${sequence}:${end}(${length})${flags & ACK ? ` ack ${ack}` : ''} win 65535${urgent}${mss}`;
}

function replyText(outcome: Outcome, arrival: Arrival, setup: Setup): string {
  const { flags, offset, length, acknowledges } = arrival;
  const { una, next, received } = setup;
  const ack = acknowledges === 'una' ? una : acknowledges === 'next' ? next : next + 1;
  const end = (received + offset + length + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)) >>> 0;
  switch (outcome.reply) {
    case 'nothing':
      return '';
    case 'reset':
      return `+0 > R ${ack}:${ack}(0)\n`;
    case 'resetAck':
      return `+0 > R. ...(0) ack ${end}\n`;
    case 'synAck':
      return '+0 > S. ...(0) <...>\n';
    case 'ack':
      return '+0~+0.05 > . ...(0) <...>\n';
  }
}

/** The script of one case. What `ack` acknowledges the state says; its number is left open. */
function scriptOf(style: Style, arrival: Arrival): string {
  const setup = SETUPS[arrival.state];
  const outcome = expectedOutcome(style, arrival);
  const reply = replyText(outcome, arrival, setup);
  const script = `${setup.text}+0.01 < ${segmentText(arrival, setup)}\n${reply}`;
  if (arrival.state === 'LISTEN' || arrival.state === 'CLOSED') return `${script}+0.06 \`true\``;
  const assertion = `%{ assert tcpi_state == ${STATE_NUMBERS[outcome.state]} }%`;
  if (arrival.state !== 'SYN-RECEIVED') return `${script}+0.06 ${assertion}`;
  // Nobody has accepted it, so that its state shows in what completes the handshake.
  const complete = `${script}+0.06 < . 1:1(0) ack 1 win 65535\n`;
  if (outcome.state === 'CLOSED') return `${complete}+0 > R 1:1(0)`;
  if (outcome.state === 'SYN-RECEIVED')
    return `${complete}+0 accept(3, ..., ...) = 4\n+0 %{ assert tcpi_state == TCPI_ESTABLISHED }%`;
  return `${script}+0.06 accept(3, ..., ...) = 4\n+0 ${assertion}`;
}

describe.each(['default', 'linux', 'bsd'] as const)('%s', (style) => {
  it.each(Object.keys(SETUPS) as StateName[])('answers every segment in %s as the RFCs and its habits say', (state) => {
    const arrivals = arrivalsIn(style, state);
    const wrong: string[] = [];
    for (const arrival of arrivals) {
      const { problem } = runScript(scriptOf(style, arrival), { personality: style, failsOnUnexpected: true });
      if (problem === null) continue;
      const { reply, state: following } = expectedOutcome(style, arrival);
      wrong.push(
        `${segmentText(arrival, SETUPS[state])} (+${arrival.offset}): ${reply}, ${following}: ${problem.message}`,
      );
    }
    expect(wrong).toEqual([]);
    expect(arrivals.length).toBeGreaterThan(30);
  });
});
