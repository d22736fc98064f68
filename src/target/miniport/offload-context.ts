import type { NdisOffloadHandle, NetBufferList, OffloadLayer } from '../../ndis/index.ts';

/**
 * What the miniport keeps of an offloaded object, and the context value that it writes back for it (CTX-02, CTX-04):
 * the id that names the object to the NIC, the handle that names it to the host (CTX-06, CTX-07), and the lists that the
 * host has handed over and not got back. The lists are found by the ids that the NIC knows them by.
 */
export class OffloadContext {
  readonly id: number;
  readonly layer: OffloadLayer;
  readonly handle: NdisOffloadHandle;
  readonly sends = new Map<number, NetBufferList>();
  readonly receives = new Map<number, NetBufferList>();
  readonly forwards = new Map<number, NetBufferList>();
  readonly disconnects = new Map<number, NetBufferList>();
  /** The host has asked for an abortive close: what the NIC received before it knew is not indicated (DISC-04). */
  abortRequested = false;

  constructor(id: number, layer: OffloadLayer, handle: NdisOffloadHandle) {
    this.id = id;
    this.layer = layer;
    this.handle = handle;
  }
}
