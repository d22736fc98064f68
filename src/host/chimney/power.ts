/** Leaving full power: the host takes its connections back before the adapter hears of it (PM-01). */
import { DevicePowerState, Oid, type OidRequest, oidSet } from '../../ndis/oid.ts';
import { NdisStatus } from '../../ndis/status.ts';
import type { AdapterStatus } from './adapter-status.ts';
import type { ChimneyEnvironment } from './environment.ts';

/** Answer to a change of the power state: the adapter's status. */
export type PowerAnswer = (status: NdisStatus) => void;

export class Power {
  private readonly environment: ChimneyEnvironment;
  private readonly status: AdapterStatus;
  private readonly uploadAll: (reason: string) => void;
  /** A change that waits until every terminate has been started. */
  private waiting: { readonly state: DevicePowerState; readonly answer: PowerAnswer } | null = null;
  /** The request that the adapter has not answered. */
  private pending: {
    readonly request: OidRequest;
    readonly state: DevicePowerState;
    readonly answer: PowerAnswer;
  } | null = null;

  constructor(environment: ChimneyEnvironment, status: AdapterStatus, uploadAll: (reason: string) => void) {
    this.environment = environment;
    this.status = status;
    this.uploadAll = uploadAll;
  }

  /** Puts the adapter into a power state; one change at a time, a second one is answered with FAILURE. */
  set(state: DevicePowerState, answer: PowerAnswer): void {
    this.environment.core.defer(() => this.begin(state, answer));
  }

  /** Tells the adapter once the terminate of every connection has been started. */
  pump(): void {
    if (this.waiting === null || this.hasOffloaded()) return;
    const { state, answer } = this.waiting;
    this.waiting = null;
    const request = oidSet(Oid.PNP_SET_POWER, state);
    this.pending = { request, state, answer };
    const status = this.environment.binding.oidRequest(request);
    if (status !== NdisStatus.PENDING) this.complete(request, status);
  }

  /** The adapter has answered; false when the request is none of ours. */
  complete(request: OidRequest, status: NdisStatus): boolean {
    const { pending } = this;
    if (pending === null || pending.request !== request) return false;
    this.pending = null;
    if (pending.state === DevicePowerState.D0 && status === NdisStatus.SUCCESS) this.status.enable();
    this.environment.core.defer(() => pending.answer(status));
    return true;
  }

  private begin(state: DevicePowerState, answer: PowerAnswer): void {
    if (this.waiting !== null || this.pending !== null) {
      answer(NdisStatus.FAILURE);
      return;
    }
    this.waiting = { state, answer };
    if (state === DevicePowerState.D0) return;
    this.status.suspend();
    this.uploadAll('power');
  }

  private hasOffloaded(): boolean {
    for (const connection of this.environment.transport.connections) {
      if (connection.owner === 'offloaded' || connection.owner === 'offloading') return true;
    }
    return false;
  }
}
