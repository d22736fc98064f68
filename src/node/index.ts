/** What Node gives the pure rooms: clock, timers, randomness, hosts ready for use, the gateway. */
export { Gateway, type GatewayOptions } from './gateway.ts';
export { Host, type HostOptions } from './host.ts';
export { createRandomInt32 } from './random.ts';
export { NodeRuntime, type RuntimePart } from './runtime.ts';
export { StreamCounters, StreamLink, type StreamLinkOptions } from './stream-link.ts';
