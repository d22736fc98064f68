import type { NdisBinding } from './binding.ts';

/**
 * A location that receives the context value of the driver below: what the pointer MiniportOffloadContext of a block
 * points at (CTX-02). NULL until the object is offloaded. The driver below writes it while it owns an initiate tree.
 */
export interface ContextSlot {
  miniportOffloadContext: object | null;
}

/**
 * NDIS_OFFLOAD_HANDLE with its private part (NDIS_OFFLOAD_HANDLE_PRIVATE): how the driver above names one offloaded
 * object. It lives in the state of the driver above, one per object that may be offloaded, and is itself the location
 * that receives the context value: a block refers to the handle, and `handle.miniportOffloadContext` is `*ctx`.
 *
 * NDIS clears the context value when a terminate of the object completes with success, so that the handle can be used
 * for the next offload. After a failed one it stays valid for a second terminate (spec/decisions.md 9).
 */
export class NdisOffloadHandle implements ContextSlot {
  /** The binding that the object was offloaded through; written by NDIS, not for drivers. */
  ndisReserved: NdisBinding | null = null;
  /** Context value of the driver below, or null while the object is not offloaded. */
  miniportOffloadContext: object | null = null;
  /** What the owner of the handle associates with it: takes the place of pointer arithmetic from the handle's address. */
  context: object | null;

  /** @param context the owner's object that this handle belongs to, or null. */
  constructor(context: object | null = null) {
    this.context = context;
  }
}
