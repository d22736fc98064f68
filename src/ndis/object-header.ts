/**
 * NDIS_OBJECT_HEADER: what a structure is, which revision of it, and its size in bytes (spec/structs.json, x64).
 * Here an object cannot be misread, so the header is information for the reader and for the verifier (REG-07, OID-07).
 */
export interface NdisObjectHeader {
  readonly type: number;
  readonly revision: number;
  readonly size: number;
}

/** NDIS_OBJECT_HEADER.Type values that Chimney uses. */
export const NdisObjectType = {
  DEFAULT: 0x80,
  CLIENT_CHIMNEY_OFFLOAD_GENERIC_CHARACTERISTICS: 0x8e,
  PROVIDER_CHIMNEY_OFFLOAD_GENERIC_CHARACTERISTICS: 0x8f,
  CLIENT_CHIMNEY_OFFLOAD_CHARACTERISTICS: 0x93,
  PROVIDER_CHIMNEY_OFFLOAD_CHARACTERISTICS: 0x94,
  OID_REQUEST: 0x96,
  STATUS_INDICATION: 0x98,
  OFFLOAD: 0xa7,
  OFFLOAD_ENCAPSULATION: 0xa8,
} as const;

function header(type: number, revision: number, size: number): NdisObjectHeader {
  return Object.freeze({ type, revision, size });
}

/** Headers of the four characteristics tables (NDIS_SIZEOF_…; REG-07). */
export const PROVIDER_GENERIC_HEADER = header(NdisObjectType.PROVIDER_CHIMNEY_OFFLOAD_GENERIC_CHARACTERISTICS, 1, 0x30);
export const PROVIDER_TCP_HEADER = header(NdisObjectType.PROVIDER_CHIMNEY_OFFLOAD_CHARACTERISTICS, 1, 0x38);
export const CLIENT_GENERIC_HEADER = header(NdisObjectType.CLIENT_CHIMNEY_OFFLOAD_GENERIC_CHARACTERISTICS, 1, 0x38);
export const CLIENT_TCP_HEADER = header(NdisObjectType.CLIENT_CHIMNEY_OFFLOAD_CHARACTERISTICS, 1, 0x40);
/** Header of the table that `getOffloadHandlers` returns: Type is the chimney type (REG-11). */
export const TCP_OFFLOAD_EVENT_HANDLERS_HEADER = header(1, 1, 0x38);
/** Headers of the connection offload structures (NDIS_SIZEOF_…; OID-07). */
export const TCP_CONNECTION_OFFLOAD_HEADER = header(NdisObjectType.DEFAULT, 1, 0x14);
export const TCP_CONNECTION_OFFLOAD_PARAMETERS_HEADER = header(NdisObjectType.DEFAULT, 1, 0x38);
