/** How stacks differ, as data: what scripts written for one of them expect. */
import type { ConnectionOptions } from '../host/index.ts';
import { ARRIVAL_RULES, type TcpParameters } from '../tcp/index.ts';
import { SOCKET_HABITS, type SocketHabits } from './habits.ts';

export type PersonalityName = 'default' | 'linux' | 'bsd';

export interface Personality {
  readonly name: PersonalityName;
  readonly parameters: Partial<TcpParameters>;
  readonly connection: ConnectionOptions;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  /** A smaller path MTU is tried when full-sized segments vanish (RFC 4821 section 7.7). */
  readonly blackHoleDetection: boolean;
  /** Part of the time since the event before by which an event may be early or late, percent: what timer wheels round. */
  readonly tolerancePercent: number;
  /** What leaves before the last event and is not expected fails the script. The reference tool does not look for it. */
  readonly failsOnUnexpected: boolean;
  /** Segments that follow each other without a gap count as one when the script wrote one: segmentation offload. */
  readonly segmentationOffload: boolean;
  /** PSH is compared. Where a stack sets it says nothing about the stream (RFC 9293 section 3.9.1.2). */
  readonly comparesPush: boolean;
  /** close with unread data resets the connection (RFC 2525 section 2.17). */
  readonly resetsUnread: boolean;
  /** How calls answer where POSIX leaves room. */
  readonly habits: SocketHabits;
  /** Writing to a connection that was reset: the error of the reset first, or EPIPE at once. */
  readonly resetErrorOnWrite: boolean;
}

/** RFC 9293 and its companions as this stack reads them. */
const standard: Personality = {
  name: 'default',
  parameters: {},
  connection: {},
  receiveBufferBytes: 1024 * 1024,
  sendBufferBytes: 4 * 1024 * 1024,
  blackHoleDetection: true,
  tolerancePercent: 0,
  failsOnUnexpected: true,
  segmentationOffload: false,
  comparesPush: true,
  resetsUnread: true,
  habits: SOCKET_HABITS.standard,
  resetErrorOnWrite: true,
};

/** Linux 6. */
const linux: Personality = {
  ...standard,
  name: 'linux',
  parameters: {
    delayedAckTicks: 40,
    minimumRtoTicks: 200,
    minimumVarianceTicks: 200,
    initialRtoTicks: 1000,
    maximumRtoTicks: 120_000,
    timeWaitTicks: 60_000,
    finWait2Ticks: 60_000,
    quickAcks: 16,
    linearSynRetransmissions: 4,
    maximumSynRetransmissions: 6,
    maximumSynAckRetransmissions: 5,
    idleRestart: 'decay',
    nagle: 'small',
    delaysAckOfFin: true,
    probesWithoutText: true,
    congestionControl: 'cubic',
    hystart: false,
    reducesAgain: false,
    arrival: ARRIVAL_RULES.linux,
  },
  connection: { windowScale: 7 },
  receiveBufferBytes: 65_535,
  blackHoleDetection: false,
  tolerancePercent: 12.5,
  failsOnUnexpected: false,
  segmentationOffload: true,
  comparesPush: false,
  habits: SOCKET_HABITS.linux,
};

/** FreeBSD 14. */
const bsd: Personality = {
  ...standard,
  name: 'bsd',
  parameters: {
    delayedAckTicks: 40,
    minimumRtoTicks: 30,
    rtoSlopTicks: 200,
    initialRtoTicks: 1000,
    maximumRtoTicks: 64_000,
    timeWaitTicks: 60_000,
    finWait2Ticks: 60_000,
    maximumRetransmissions: 12,
    optionLayout: 'bsd',
    offersAllFree: true,
    linearSynRetransmissions: 4,
    maximumSynRetransmissions: 12,
    maximumSynAckRetransmissions: 3,
    openingTicks: 75_000,
    roundsReceiveBuffer: true,
    growsUnused: true,
    minimumPersistTicks: 5000,
    lossDetection: 'dupack',
    tailLossProbe: false,
    forwardRto: false,
    congestionControl: 'cubic',
    hystart: false,
    reducesAgain: false,
    arrival: ARRIVAL_RULES.bsd,
  },
  connection: { windowScale: 6 },
  receiveBufferBytes: 65_536,
  blackHoleDetection: false,
  failsOnUnexpected: false,
  comparesPush: false,
  resetsUnread: false,
  habits: SOCKET_HABITS.bsd,
  resetErrorOnWrite: false,
};

export const personalities: Readonly<Record<PersonalityName, Personality>> = { default: standard, linux, bsd };
