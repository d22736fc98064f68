/** Names for the kinds of crossing, as small integers: which state operation, which data request. */

export const StateOperation = { INITIATE: 0, QUERY: 1, UPDATE: 2, INVALIDATE: 3, TERMINATE: 4 } as const;
export type StateOperation = (typeof StateOperation)[keyof typeof StateOperation];

const STATE_NAMES = ['initiate', 'query', 'update', 'invalidate', 'terminate'] as const;

/** For messages. */
export function stateOperationName(operation: StateOperation): string {
  return STATE_NAMES[operation];
}

export const DataRequest = { SEND: 0, RECEIVE: 1, FORWARD: 2, DISCONNECT: 3 } as const;
export type DataRequest = (typeof DataRequest)[keyof typeof DataRequest];

const DATA_NAMES = ['send', 'receive', 'forward', 'disconnect'] as const;

/** For messages. */
export function dataRequestName(request: DataRequest): string {
  return DATA_NAMES[request];
}
