/**
 * The connection states of RFC 9293 section 3.3.2, numbered as TCP_OFFLOAD_CONNECTION_STATE numbers them, so that a
 * state crosses the contract without translation.
 */
export const TcpState = {
  CLOSED: 0,
  LISTEN: 1,
  SYN_SENT: 2,
  SYN_RECEIVED: 3,
  ESTABLISHED: 4,
  FIN_WAIT_1: 5,
  FIN_WAIT_2: 6,
  CLOSE_WAIT: 7,
  CLOSING: 8,
  LAST_ACK: 9,
  TIME_WAIT: 10,
} as const;

export type TcpState = (typeof TcpState)[keyof typeof TcpState];

const NAMES = [
  'CLOSED',
  'LISTEN',
  'SYN-SENT',
  'SYN-RECEIVED',
  'ESTABLISHED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSE-WAIT',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
] as const;

/** The name that RFC 9293 gives a state, for people. */
export function stateName(state: TcpState): string {
  return NAMES[state];
}

/** States whose connections may be offloaded (INIT-02). */
export function isOffloadable(state: TcpState): boolean {
  return state >= TcpState.ESTABLISHED && state <= TcpState.LAST_ACK;
}

/** ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT, CLOSING, LAST-ACK, TIME-WAIT (RFC 5961 "synchronized states"). */
export function isSynchronized(state: TcpState): boolean {
  return state >= TcpState.ESTABLISHED;
}

/** States in which the peer may still send data: its FIN has not arrived. */
export function canReceive(state: TcpState): boolean {
  return state === TcpState.ESTABLISHED || state === TcpState.FIN_WAIT_1 || state === TcpState.FIN_WAIT_2;
}

/** States in which the application may still queue data: it has not closed. */
export function canSend(state: TcpState): boolean {
  return state === TcpState.ESTABLISHED || state === TcpState.CLOSE_WAIT;
}
