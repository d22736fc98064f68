/** Where frames come from: ports, the memory wire, and ports that wrap ports. */

export { Coalescer, Coalescing } from './coalescer.ts';
export {
  DirectionCounters,
  type DirectionSettings,
  type FrameFate,
  type FrameObserver,
  ImpairedDirection,
  PERFECT_DIRECTION,
} from './impairment.ts';
export { discardFrame, type LinkPort, type Stepped } from './link.ts';
export { MemoryWire, type MemoryWireOptions, type WireDirection } from './memory.ts';
export {
  CapturePort,
  CountingPort,
  type FrameRecorder,
  ImpairedPort,
  type ImpairedPortOptions,
  type PortDirection,
} from './middleware.ts';
export { Random } from './random.ts';
export { FrameStreamDecoder, LARGEST_STREAM_FRAME, STREAM_HEADER_LENGTH, writeStreamHeader } from './stream.ts';
