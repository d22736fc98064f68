/** How systems answer calls where POSIX leaves room: which error, and when. Data, one set per personality. */
export interface SocketHabits {
  /** The first connect after a connection was established in the background succeeds; else it says EISCONN at once. */
  readonly connectSucceedsLate: boolean;
  /** Reading and writing while a connection is being opened. */
  readonly beforeConnection: 'EAGAIN' | 'ENOTCONN';
  /** Writing to a socket that was never connected. */
  readonly writeUnconnected: 'EPIPE' | 'ENOTCONN';
  /** connect on a listening socket. */
  readonly connectListening: 'EISCONN' | 'EOPNOTSUPP';
  /** accept hands out a connection that was reset while it waited, and the next call tells; else it says ECONNABORTED. */
  readonly acceptsReset: boolean;
  /** The error of a reset after the peer's FIN. */
  readonly resetInCloseWait: 'EPIPE' | 'ECONNRESET';
  /** shutdown ends a listener or an opening; else ENOTCONN. */
  readonly shutdownEndsOpening: boolean;
  /** After shutdown of both halves, text of the peer resets the connection. */
  readonly shutdownOfBothRefusesText: boolean;
  /** SO_RCVBUF and SO_SNDBUF read back as twice what was set. */
  readonly doublesBuffers: boolean;
  /** A corked socket sends what it holds after 200 ms; else it waits for more. */
  readonly corkEnds: boolean;
  /** TCP_INFO has the congestion window and its threshold in bytes. */
  readonly infoInBytes: boolean;
  /** Errors of an opening that ICMP has ended, by IPv4 code of "unreachable"; what is missing is EHOSTUNREACH. */
  readonly unreachable: Readonly<Record<number, string>>;
}

const STANDARD: SocketHabits = {
  connectSucceedsLate: true,
  beforeConnection: 'EAGAIN',
  writeUnconnected: 'EPIPE',
  connectListening: 'EISCONN',
  acceptsReset: true,
  resetInCloseWait: 'ECONNRESET',
  shutdownEndsOpening: false,
  shutdownOfBothRefusesText: false,
  doublesBuffers: false,
  corkEnds: true,
  infoInBytes: false,
  unreachable: { 2: 'ECONNREFUSED', 3: 'ECONNREFUSED' },
};

/** The habits of each personality. */
export const SOCKET_HABITS: Readonly<Record<'standard' | 'linux' | 'bsd', SocketHabits>> = {
  standard: STANDARD,
  linux: {
    ...STANDARD,
    resetInCloseWait: 'EPIPE',
    shutdownEndsOpening: true,
    shutdownOfBothRefusesText: true,
    doublesBuffers: true,
    unreachable: {
      0: 'ENETUNREACH',
      2: 'ENOPROTOOPT',
      3: 'ECONNREFUSED',
      5: 'EOPNOTSUPP',
      6: 'ENETUNREACH',
      7: 'EHOSTDOWN',
      8: 'ENONET',
      9: 'ENETUNREACH',
      11: 'ENETUNREACH',
    },
  },
  bsd: {
    ...STANDARD,
    connectSucceedsLate: false,
    beforeConnection: 'ENOTCONN',
    writeUnconnected: 'ENOTCONN',
    connectListening: 'EOPNOTSUPP',
    acceptsReset: false,
    corkEnds: false,
    infoInBytes: true,
  },
};
