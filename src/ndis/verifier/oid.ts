/** OID, PM, PAUSE: capability exchange, power and pause as the adapter and the driver above tell each other. */
import type { NdisBinding } from '../binding.ts';
import { NdisObjectType } from '../object-header.ts';
import { OffloadLayer } from '../offload-state.ts';
import { DevicePowerState, Oid, type OidRequest, oidName, type TcpConnectionOffloadParameters } from '../oid.ts';
import { NdisStatus } from '../status.ts';
import type { StatusIndication } from '../status-indication.ts';
import { type BindingRecord, Life, type Model } from './model.ts';
import { violate } from './verified-rules.ts';

/** Bytes of NDIS_TCP_CONNECTION_OFFLOAD_PARAMETERS by revision (OID-07). */
const PARAMETERS_SIZE: Readonly<Record<number, number>> = { 1: 0x38, 2: 0x3c };

/** A request goes down. */
export function checkOidRequest(record: BindingRecord, request: OidRequest): void {
  if (request.requestType !== 'set') return;
  switch (request.oid) {
    case Oid.TCP_TASK_OFFLOAD:
      if (request.information === null || request.information.tasks.length === 0) checkNothingOffloaded(record);
      else if (!record.queried)
        violate('OID-01', 'connection offload was enabled before its capabilities were queried');
      break;
    case Oid.TCP_CONNECTION_OFFLOAD_PARAMETERS:
      if (request.information !== null) checkParameters(request.information);
      break;
    case Oid.PNP_SET_POWER:
      if (request.information !== DevicePowerState.D0) checkAllTerminating(record);
      break;
    default:
  }
}

/** A request was answered for good. */
export function checkOidAnswer(record: BindingRecord, request: OidRequest, status: NdisStatus): void {
  if (status !== NdisStatus.SUCCESS) return;
  if (request.oid === Oid.TCP_TASK_OFFLOAD && request.requestType === 'query') {
    record.queried = true;
    record.mustQueryAgain = false;
    const driver = record.binding.adapter.driver;
    if (driver.chimneyRegistered && (request.information === null || request.information.tasks.length === 0)) {
      violate(
        'OID-02',
        `${driver.characteristics.name} answered ${oidName(request.oid)} without a connection offload task`,
      );
    }
  }
  if (
    request.oid === Oid.PNP_SET_POWER &&
    request.requestType === 'set' &&
    request.information !== DevicePowerState.D0 &&
    connectionsOf(record) > 0
  ) {
    violate('PM-02', `OID_PNP_SET_POWER succeeded with ${connectionsOf(record)} connections offloaded`);
  }
}

/** A new offload is about to start: allowed at this time? */
export function checkMayOffload(record: BindingRecord): void {
  if (!record.binding.chimneyEnabled) violate('OID-01', 'an initiate without a successful set of OID_TCP_TASK_OFFLOAD');
  if (record.uploadingAll) violate('PAUSE-08', 'an initiate after NDIS_STATUS_UPLOAD_ALL');
  if (record.paused) violate('PAUSE-01', 'an initiate after NDIS_STATUS_OFFLOAD_PAUSE');
  if (record.mustQueryAgain) violate('PAUSE-06', 'an initiate after a resume, without a new capability query');
}

/** What an adapter indicates changes what its bindings may do. */
export function noteStatusIndication(
  model: Model,
  bindings: readonly NdisBinding[],
  indication: StatusIndication,
): void {
  for (const binding of bindings) {
    const record = model.bindingOf(binding);
    if (indication.statusCode === NdisStatus.OFFLOAD_PAUSE) record.paused = true;
    else if (indication.statusCode === NdisStatus.UPLOAD_ALL) record.uploadingAll = true;
    else if (indication.statusCode === NdisStatus.OFFLOAD_RESUME) {
      record.paused = false;
      record.uploadingAll = false;
      record.mustQueryAgain = true;
    }
  }
}

/** OID-11: also a closed binding switches its offload off. */
export function checkNothingOffloaded(record: BindingRecord): void {
  if (record.objects.size > 0) {
    violate('OID-11', `connection offload was switched off with ${record.objects.size} objects offloaded`);
  }
}

function connectionsOf(record: BindingRecord): number {
  let count = 0;
  for (const object of record.objects) if (object.layer === OffloadLayer.TCP) count++;
  return count;
}

function checkAllTerminating(record: BindingRecord): void {
  for (const object of record.objects) {
    if (object.layer === OffloadLayer.TCP && object.life !== Life.TERMINATING) {
      violate('PM-01', 'OID_PNP_SET_POWER before all connections were being terminated');
    }
  }
}

function checkParameters(parameters: TcpConnectionOffloadParameters): void {
  const header = parameters.header;
  if (header.type !== NdisObjectType.DEFAULT || PARAMETERS_SIZE[header.revision] !== header.size) {
    violate('OID-07', 'the connection offload parameters have a header with a wrong type, revision or size');
  }
  const ticks = parameters.ticksPerSecond;
  if (ticks !== 10 && ticks !== 100 && ticks !== 1000) {
    violate('OID-03', `TicksPerSecond is ${ticks}; it must be 10, 100 or 1000`);
  }
}
