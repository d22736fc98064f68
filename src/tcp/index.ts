/** `chimney/tcp`: the TCP engine, without I/O, clock or randomness of its own. */

export { segmentArrives } from './arrival.ts';
export { ARRIVAL_RULES, type ArrivalRules } from './arrival-rules.ts';
export { blackHoleMtu } from './black-hole.ts';
export { abort, closeSend, consumed, markUrgent, openActive, openFromCookie, openPassive, send } from './calls.ts';
export { type CongestionControlName, createCongestionControl } from './congestion/index.ts';
export { type RandomInt32, TcpContext, TcpStatistics } from './context.ts';
export { isContinuable } from './continuable.ts';
export { type ConnectionOwner, ControlBlock } from './control-block.ts';
export { Disposition } from './disposition.ts';
export { EcnState } from './ecn.ts';
export { defaultRemoteMss } from './established.ts';
export {
  adopt,
  applyUpdate,
  exportDelegated,
  exportExtension,
  quiesce,
  release,
  resume,
  setPathMtu,
} from './hand-over.ts';
export { MemoryState } from './memory-state.ts';
export { output } from './output.ts';
export { isOvertaken } from './overtaken.ts';
export { DEFAULT_TCP_PARAMETERS, type TcpParameters } from './parameters.ts';
export { RttEstimator } from './rtt.ts';
export { canReceive, canSend, isOffloadable, isSynchronized, stateName, TcpState } from './state.ts';
export { timersExpire } from './timers.ts';
export { TimingWheel, WheelEntry } from './timing-wheel.ts';
export { sendAck } from './transmit.ts';
export {
  type ExtensionPart,
  type LossRecoveryState,
  MAX_RT_UNLIMITED,
  type OutOfOrderSegment,
  TcpCachedFlag,
  TcpCachedState,
  TcpConstantFlag,
  TcpConstantState,
  TcpDelegatedState,
  type TcpExtensionState,
  TIMER_NOT_RUNNING,
} from './variables.ts';
