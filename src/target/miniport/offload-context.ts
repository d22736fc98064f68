import type { NdisOffloadHandle, NetBufferList, OffloadLayer } from '../../ndis/index.ts';

/** Which call handed a list over. */
export const ListKind = { SEND: 0, RECEIVE: 1, FORWARD: 2, DISCONNECT: 3 } as const;
export type ListKind = (typeof ListKind)[keyof typeof ListKind];

/**
 * What the miniport keeps of an offloaded object, and the context value that it writes back for it (CTX-02, CTX-04):
 * the id that names the object to the NIC, the handle that names it to the host (CTX-06, CTX-07), and the lists that the
 * host has handed over and not got back. The lists are found by the ids that the NIC knows them by.
 */
export class OffloadContext {
  readonly id: number;
  readonly layer: OffloadLayer;
  readonly handle: NdisOffloadHandle;
  /** The host has asked for an abortive close: what the NIC received before it knew is not indicated (DISC-04). */
  abortRequested = false;
  /** By id, in the order of handing over; null while there are none. The kind is in `miniportReserved`. */
  private pending: Map<number, NetBufferList> | null = null;

  constructor(id: number, layer: OffloadLayer, handle: NdisOffloadHandle) {
    this.id = id;
    this.layer = layer;
    this.handle = handle;
  }

  /** The host has handed a list over. */
  hold(kind: ListKind, id: number, list: NetBufferList): void {
    this.pending ??= new Map();
    this.pending.set(id, list);
    list.miniportReserved = kind;
  }

  /** A list that is held, or null. */
  find(id: number): NetBufferList | null {
    return this.pending?.get(id) ?? null;
  }

  /** Takes out a list that goes back to the host; null when it is not held. */
  take(id: number): NetBufferList | null {
    const list = this.find(id);
    if (list === null || this.pending === null) return null;
    list.miniportReserved = null;
    if (this.pending.size === 1) this.pending = null;
    else this.pending.delete(id);
    return list;
  }

  /** Ids of the lists of one kind that are held, in the order of handing over. */
  idsOf(kind: ListKind): number[] {
    const ids: number[] = [];
    for (const [id, list] of this.pending ?? []) if (list.miniportReserved === kind) ids.push(id);
    return ids;
  }
}
