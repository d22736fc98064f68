/**
 * What a neighbor and a path have in common: an object in the offload target that several connections depend on, with a
 * life of its own there.
 */
import { NdisOffloadHandle } from '../../ndis/offload-handle.ts';

/** Where an object stands in the target. `initiating` and `terminating` forbid further initiates of it (INIT-05). */
export type SharedPhase = 'absent' | 'initiating' | 'offloaded' | 'terminating';

export class SharedObject {
  /** Names the object in every call; its location holds the target's context while the object is offloaded. */
  readonly handle: NdisOffloadHandle;
  phase: SharedPhase = 'absent';
  /** Objects of the next layer that are offloaded under this one, or on their way there or back (TERM-04). */
  dependents = 0;
  /** An update or query of this object is in flight (UPD-04; TERM-03). */
  busy = false;
  /** Cached values changed since the last update that was sent. */
  dirty = false;
  /** The host has invalidated the object: it is not updated any more (UPD-03), only terminated. */
  invalidated = false;
  /** Something will depend on the object soon: it is not terminated although nothing does yet. */
  reserved = false;
  /** Terminates that failed: a second one ends the object (spec/decisions.md 9). */
  failedTerminates = 0;

  constructor(owner: object) {
    this.handle = new NdisOffloadHandle(owner);
  }

  /** Back to the state of an object that the target does not know. */
  reset(): void {
    this.phase = 'absent';
    this.busy = false;
    this.dirty = false;
    this.invalidated = false;
    this.reserved = false;
    this.failedTerminates = 0;
    this.handle.miniportOffloadContext = null;
  }
}
