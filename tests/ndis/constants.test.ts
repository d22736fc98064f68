import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ChimneyOffloadType,
  Encapsulation,
  isMandatoryUpload,
  isOffloaded,
  NdisObjectType,
  NdisStatus,
  OffloadEvent,
  OffloadSetting,
  OffloadStateType,
  Oid,
  oidName,
  statusName,
  TcpDisconnectFlag,
  TcpOffloadEventType,
  TcpUploadReason,
  uploadReasonName,
} from '../../src/ndis/index.ts';

const constants = JSON.parse(readFileSync(new URL('../../spec/constants.json', import.meta.url), 'utf8')) as Record<
  string,
  { readonly value: string }
>;

/** The value that the specification prints, or null when no header has one. */
function published(name: string): number | null {
  const value = constants[name]?.value;
  return value === undefined || !value.startsWith('0x') ? null : Number.parseInt(value, 16);
}

/** `HIGH_DROP_RATE` as the enumerations write it: `HighDropRate`. */
function camel(key: string): string {
  return key
    .split('_')
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join('');
}

describe('constants', () => {
  it('have the values of the specification: statuses', () => {
    for (const [key, value] of Object.entries(NdisStatus)) {
      if (key === 'OFFLOAD_PATH_MTU') continue;
      const expected = published(`NDIS_STATUS_${key}`) ?? published(`STATUS_NDIS_${key}`);
      expect([key, value >>> 0]).toEqual([key, expected]);
      expect(value).toBe(value | 0);
    }
  });

  it('give NDIS_STATUS_OFFLOAD_PATH_MTU a private value that nothing else has (spec/decisions.md 24)', () => {
    expect(published('NDIS_STATUS_OFFLOAD_PATH_MTU')).toBeNull();
    expect(NdisStatus.OFFLOAD_PATH_MTU >>> 0).toBe(0xe0231001);
    const values = Object.values(NdisStatus);
    expect(new Set(values).size).toBe(values.length);
  });

  it('have the values of the specification: OIDs', () => {
    for (const [key, value] of Object.entries(Oid)) expect([key, value >>> 0]).toEqual([key, published(`OID_${key}`)]);
  });

  it('have the values of the specification: enumerations and flags', () => {
    const check = (entries: object, name: (key: string) => string): void => {
      for (const [key, value] of Object.entries(entries)) {
        expect([name(key), value]).toEqual([name(key), published(name(key))]);
      }
    };
    check(ChimneyOffloadType, (key) => `Ndis${camel(key)}ChimneyOffload`);
    check(OffloadEvent, camel);
    check(TcpOffloadEventType, (key) => `TcpIndicate${camel(key)}`);
    check(TcpUploadReason, (key) => (key === 'SMALL_IO' ? 'SmallIO' : camel(key)));
    check(TcpDisconnectFlag, (key) => `TCP_DISCONNECT_${key}`);
    check(NdisObjectType, (key) => `NDIS_OBJECT_TYPE_${key}`);
    check(Encapsulation, (key) => `NDIS_ENCAPSULATION_${key}`);
    check(OffloadSetting, (key) => `NDIS_OFFLOAD_SET_${key}`);
    check(OffloadStateType, (key) =>
      `${camel(key).replace(/^(\w+?)(Const|Cached|Delegated|Resource|Reserved)?$/, '$1Offload$2')}State`.replace(
        'FilterOffloadReserved',
        'FilterReservedOffload',
      ),
    );
  });

  it('have names for people', () => {
    expect(statusName(NdisStatus.OFFLOAD_TCP_ENTRIES)).toBe('NDIS_STATUS_OFFLOAD_TCP_ENTRIES');
    expect(statusName(0xc0231004)).toBe('NDIS_STATUS_OFFLOAD_TCP_ENTRIES');
    expect(statusName(0xdeadbeef)).toBe('0xDEADBEEF');
    expect(oidName(Oid.TCP_TASK_OFFLOAD)).toBe('OID_TCP_TASK_OFFLOAD');
    expect(oidName(5)).toBe('OID 0x5');
    expect(uploadReasonName(TcpUploadReason.SMALL_IO)).toBe('SMALL_IO');
    expect(uploadReasonName(99)).toBe('reason 99');
  });

  it('tell success from failure, and mandatory from optional uploads (EVT-07, EVT-08)', () => {
    expect(isOffloaded(NdisStatus.SUCCESS)).toBe(true);
    expect(isOffloaded(NdisStatus.OFFLOAD_PARTIAL_SUCCESS)).toBe(true);
    expect(isOffloaded(NdisStatus.FAILURE)).toBe(false);
    const mandatory = Object.values(TcpUploadReason).filter((reason) => isMandatoryUpload(reason));
    expect(mandatory).toEqual([5, 8, 9, 10, 11]);
  });
});
