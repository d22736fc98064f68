/** What instrumented code counts in: one byte per place; it wraps. */
declare var __edges: Uint8Array | undefined;
