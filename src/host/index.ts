/** The host stack: TCP over IPv4 and IPv6 whose connections can be handed to an offload target and taken back. */

export { MemoryState } from '../tcp/memory-state.ts';
export type { OffloadStatistics } from './chimney/statistics.ts';
export { Connection } from './connection.ts';
export type { ConnectionOptions } from './connection-options.ts';
export {
  type CloseReason,
  ConnectionCounters,
  type ConnectionHandlers,
  type ConnectionOwnerName,
  type HistoryEntry,
  type OffloadResult,
  type SoftError,
} from './connection-types.ts';
export { HostStatistics } from './core.ts';
export { neighborStateName } from './framing/neighbor.ts';
export type { AddressConfiguration } from './network-interface.ts';
export type { StaticRoute } from './path/route-table.ts';
export type { HostStackOptions, OffloadPolicy } from './settings.ts';
export { type ConnectOptions, HostStack, type ListenOptions } from './stack.ts';
export { type TcpInfo, TcpInfoCongestionState, TcpInfoOption, TcpInfoState } from './tcp-info.ts';
export type { AcceptHandler, Listener } from './transport/listener.ts';
