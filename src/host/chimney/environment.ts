/** What the parts of the chimney manager share. */
import type { NdisBinding } from '../../ndis/binding.ts';
import type { ProtocolOffloadBlockList } from '../../ndis/block-list.ts';
import type { NetBufferListPool } from '../../ndis/net-buffer-pool.ts';
import type { BufferTuning } from '../buffer-tuning.ts';
import type { Connection } from '../connection.ts';
import type { HostCore } from '../core.ts';
import type { NeighborCache } from '../framing/neighbor-cache.ts';
import type { HostMemory } from '../memory.ts';
import type { PathTable } from '../path/path-table.ts';
import type { HostSettings } from '../settings.ts';
import type { Transport } from '../transport/transport.ts';

export interface ChimneyEnvironment {
  readonly core: HostCore;
  readonly tuning: BufferTuning;
  readonly memory: HostMemory;
  readonly settings: HostSettings;
  readonly neighbors: NeighborCache;
  readonly paths: PathTable;
  readonly transport: Transport;
  readonly binding: NdisBinding;
  /** Lists of the data functions, with one buffer each. */
  readonly pool: NetBufferListPool;
  /** Has a connection processed from within `HostStack.advance`. */
  schedule(connection: Connection): void;
  /** Sends what is queued on the ordinary path: before a state operation, whose effect must not overtake it. */
  flush(): void;
}

/**
 * What happens when a state operation completes: stored in `protocolReserved` of the root. It runs inside the upcall, so
 * it changes state and schedules work, and calls nothing downwards.
 */
export type StateCompletion = (root: ProtocolOffloadBlockList) => void;

/** Runs the completion of a tree. */
export function complete(root: ProtocolOffloadBlockList): void {
  const completion = root.protocolReserved as StateCompletion;
  root.protocolReserved = null;
  completion(root);
}
