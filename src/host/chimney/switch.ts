/**
 * The switch: the one field that says who owns a connection. Each member carries what exists only while that owner is
 * in charge, so that code for one owner cannot reach the state of another.
 */
import type { ProtocolOffloadBlockList } from '../../ndis/block-list.ts';
import type { NdisStatus } from '../../ndis/status.ts';
import type { ControlBlock } from '../../tcp/control-block.ts';
import type { ExtensionPart } from '../../tcp/variables.ts';
import type { SegmentQueue } from '../segment-queue.ts';
import type { OffloadedIo } from './offloaded-io.ts';

/** The host's engine runs the connection. */
export interface HostOwned {
  readonly owner: 'host';
  readonly cb: ControlBlock;
}

/** The state is on its way to the target. The control block stands still and is good again if the target refuses. */
export interface Offloading {
  readonly owner: 'offloading';
  readonly cb: ControlBlock;
  /** What will be in flight if the target accepts: the send data that was handed over. */
  readonly io: OffloadedIo;
  /** Unread bytes that were handed over, to be put back if the target refuses. */
  readonly unread: readonly Uint8Array[];
  /** Segments that arrived meanwhile (FWD-04). */
  readonly held: SegmentQueue;
  /** Parts of the state that the target cannot take. */
  readonly lost: readonly ExtensionPart[];
  /** Set when the target has refused. */
  refusal: { readonly status: NdisStatus; readonly reason: string } | null;
}

/** The target runs the connection. */
export interface Offloaded {
  readonly owner: 'offloaded';
  readonly io: OffloadedIo;
}

/** The state is on its way back. */
export interface Uploading {
  readonly owner: 'uploading';
  readonly io: OffloadedIo;
  /** Segments that arrived meanwhile (FWD-05, TERM-14). */
  readonly held: SegmentQueue;
  /** Why: for the history. */
  readonly reason: string;
  readonly startedAt: number;
  /** The completed block of the connection; its status says whether the state came back. */
  completed: ProtocolOffloadBlockList | null;
  /** A terminate has failed before: the state is lost, and the second one only frees what is left (HWF-04). */
  stateLost: boolean;
  secondTerminate: boolean;
  /** The events that follow a failed terminate have been waited for long enough. */
  waited: boolean;
}

export type Ownership = HostOwned | Offloading | Offloaded | Uploading;
