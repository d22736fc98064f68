/** What Linux gives: links over TAP and macvtap interfaces. All foreign-function calls of the project are in this room. */
export { DeviceCounters, DeviceLink, type PacketDevice } from './device-link.ts';
export { SystemCallError } from './ffi.ts';
export { type MacvtapLink, type MacvtapOptions, openMacvtap } from './macvtap.ts';
export { openTap, type TapOptions } from './tap.ts';
