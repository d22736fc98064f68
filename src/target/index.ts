/** The software offload target: a NIC with its miniport driver. */
export { SoftwareAdapter, type SoftwareAdapterOptions } from './adapter.ts';
export { type Channel, type ChannelPair, InProcessChannel } from './channel.ts';
export { type ConnectionRejection, DEFAULT_TARGET_LIMITS, type TargetLimits } from './limits.ts';
export type { AdapterStatus, FaultyOperation, NewState, TargetStatistics, ToMiniport, ToNic } from './messages.ts';
export type { SendHandBack, TargetLink } from './nic/core.ts';
