/**
 * `chimney`: a TCP/IP stack whose live connections can be handed to an offload target and taken back while bytes flow.
 *
 * Most programs need `NodeRuntime`, `Host`, a link (`MemoryWire`, `StreamLink`, or `openTap` of `chimney/linux`), and
 * `createServer` / `connect`. The layers below are exported for those who drive them themselves; the contract and the engine
 * are at `chimney/ndis` and `chimney/tcp`, the bytes at `chimney/wire`.
 */
export {
  type CloseReason,
  Connection,
  type ConnectionCounters,
  type ConnectionHandlers,
  type ConnectionOwnerName,
  type HistoryEntry,
  HostStack,
  type HostStackOptions,
  type HostStatistics,
  type Listener,
  type OffloadPolicy,
  type OffloadResult,
} from './host/index.ts';
export {
  CapturePort,
  CountingPort,
  type DirectionSettings,
  type FrameFate,
  type FrameRecorder,
  ImpairedPort,
  type ImpairedPortOptions,
  type LinkPort,
  MemoryWire,
  type MemoryWireOptions,
  Random,
  type Stepped,
  type WireDirection,
} from './link/index.ts';
export { createVerifier, Ndis, NdisStatus, RuleViolation, statusName } from './ndis/index.ts';
export {
  type ConnectOptions,
  connect,
  createServer,
  Server,
  type ServerOptions,
  Socket,
  type SocketAddress,
  SocketError,
  type SocketOptions,
} from './net/index.ts';
export {
  createRandomInt32,
  Gateway,
  type GatewayOptions,
  Host,
  type HostOptions,
  NodeRuntime,
  type RuntimePart,
  StreamLink,
  type StreamLinkOptions,
} from './node/index.ts';
export { SoftwareAdapter, type TargetLimits } from './target/index.ts';
export { DEFAULT_TCP_PARAMETERS, type TcpParameters, TcpState } from './tcp/index.ts';
export {
  type PacketDirection,
  PcapngWriter,
  type PcapngWriterOptions,
  RetransmissionAudit,
  type RetransmissionCounts,
  WireFate,
} from './trace/index.ts';
export { IpAddress, MacAddress } from './wire/index.ts';
