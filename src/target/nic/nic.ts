/**
 * The NIC half of the software target: owns the link, the context areas and the engine. It is a stack of its own, with
 * a clock of its own, and knows the miniport only by messages.
 */

import { TcpUploadReason } from '../../ndis/index.ts';
import type { AdapterStatus, ToMiniport, ToNic } from '../messages.ts';
import { NicConnectionOwner, wheelExpired } from './connection-owner.ts';
import { NicCore, type NicOptions } from './core.ts';
import { initiate } from './initiate.ts';
import { invalidate } from './invalidate.ts';
import { hostConfirmed } from './neighbor-reachability.ts';
import { query } from './query.ts';
import { ReceivePath } from './receive-path.ts';
import { disconnect, forward, send } from './requests.ts';
import { Terminations } from './terminate.ts';
import { update } from './update.ts';
import { confirm, requestUpload } from './upload-request.ts';

export class Nic {
  /** Called when a frame arrived outside of `advance`. */
  onWork: (() => void) | null = null;
  readonly core: NicCore;
  private readonly owner: NicConnectionOwner;
  private readonly receivePath: ReceivePath;
  private readonly terminations: Terminations;
  /** Frames that the link brought and `advance` has not looked at. */
  private arrived: Uint8Array[] = [];
  /** For each of them, whether its TCP checksum needs no verification. */
  private arrivedValid: boolean[] = [];
  /** Connections of initiates that are complete and not yet confirmed. */
  private readonly unconfirmed = new Map<number, number[]>();

  constructor(options: NicOptions, post: (message: ToMiniport) => void) {
    this.core = new NicCore(options, post);
    this.owner = new NicConnectionOwner(this.core);
    this.receivePath = new ReceivePath(this.core);
    this.terminations = new Terminations(this.core);
    options.link.onReceive = (frame, checksumValid) => {
      this.arrived.push(frame);
      this.arrivedValid.push(checksumValid === true);
      this.onWork?.();
    };
  }

  /** Sets the clock, microseconds, without doing anything that is due. */
  setTime(nowMicroseconds: number): void {
    this.core.tcp.setTime(nowMicroseconds);
  }

  /** Sets the clock, takes the frames that have arrived, and fires the timers that are due. */
  advance(nowMicroseconds: number): void {
    const { tcp } = this.core;
    tcp.setTime(nowMicroseconds);
    if (this.arrived.length > 0) {
      const frames = this.arrived;
      const valid = this.arrivedValid;
      this.arrived = [];
      this.arrivedValid = [];
      for (let index = 0; index < frames.length; index += 1) this.receivePath.receive(frames[index], valid[index]);
    }
    tcp.advance(nowMicroseconds, wheelExpired);
  }

  /** When `advance` is needed next, microseconds; in the past when frames wait. */
  nextDeadline(): number {
    return this.arrived.length > 0 ? Number.NEGATIVE_INFINITY : this.core.tcp.nextDeadline();
  }

  /** Originates a status indication. */
  indicate(status: AdapterStatus): void {
    if (status === 'uploadAll') this.core.uploadingAll = true;
    else if (status === 'resume') this.core.uploadingAll = false;
    this.core.post({ kind: 'status', status });
  }

  /** Requests the upload of every connection that is not going up already, one event each (INIT-29, UploadRequested). */
  requestUploads(): void {
    for (const connection of this.core.connections.values()) {
      requestUpload(this.core, connection, TcpUploadReason.UPLOAD_REQUESTED);
    }
  }

  /** Takes one message of the miniport. */
  message(message: ToNic): void {
    const { core } = this;
    switch (message.kind) {
      case 'frameDown':
        core.sendFrame(message.frame, message.segmentSize);
        return;
      case 'send':
      case 'postReceive':
      case 'forward':
      case 'disconnect':
      case 'receiveCompleted':
      case 'receiveIndicated':
        this.connectionMessage(message);
        return;
      case 'initiate':
        this.initiate(message);
        return;
      case 'initiateConfirmed':
        this.confirm(message.operation);
        return;
      case 'query':
        query(core, message.operation, message.objects);
        return;
      case 'update':
        update(core, this.receivePath, message.operation, message.blocks);
        return;
      case 'invalidate':
        invalidate(core, message.operation, message.objects);
        return;
      case 'terminate':
        this.terminations.begin(message.operation, message.objects);
        return;
      default:
        this.controlMessage(message);
    }
  }

  private connectionMessage(message: Extract<ToNic, { connection: number }>): void {
    const { core } = this;
    const connection = core.connections.get(message.connection);
    // Only answers can come late: the connection was terminated while they were on their way.
    if (connection === undefined) return;
    switch (message.kind) {
      case 'send':
        send(core, connection, message.lists);
        return;
      case 'postReceive':
        connection.delivery.post(message.requests);
        return;
      case 'forward':
        forward(core, this.receivePath, connection, message.segments);
        return;
      case 'disconnect':
        disconnect(core, connection, message);
        return;
      case 'receiveCompleted':
        connection.delivery.completed();
        this.terminations.proceed();
        return;
      case 'receiveIndicated':
        connection.delivery.indicated(message.status, message.bytesConsumed);
        this.terminations.proceed();
    }
  }

  private controlMessage(
    message: Extract<
      ToNic,
      { kind: 'neighborAnswer' | 'parameters' | 'statisticsQuery' | 'statisticsReset' | 'hardwareFault' | 'refuseNext' }
    >,
  ): void {
    const { core } = this;
    switch (message.kind) {
      case 'neighborAnswer': {
        const neighbor = core.neighbors.get(message.neighbor);
        if (neighbor === undefined) return;
        neighbor.queryOutstanding = false;
        hostConfirmed(neighbor, core.tcp.ticks, message.hostReachabilityDelta);
        return;
      }
      case 'parameters':
        core.configure(message.parameters);
        return;
      case 'statisticsQuery': {
        const statistics = core.statistics.snapshot(core.connections.values());
        core.post({ kind: 'statistics', request: message.request, statistics });
        return;
      }
      case 'statisticsReset':
        core.statistics.reset(message.family);
        return;
      case 'hardwareFault':
        core.faults.add(message.operation);
        return;
      case 'refuseNext':
        core.refusals.set(message.layer, message.status);
    }
  }

  private initiate(message: Extract<ToNic, { kind: 'initiate' }>): void {
    const offloaded: number[] = [];
    const results = initiate(this.core, this.owner, message.blocks, offloaded);
    this.unconfirmed.set(message.operation, offloaded);
    this.core.post({ kind: 'initiateComplete', operation: message.operation, results });
  }

  private confirm(operation: number): void {
    const offloaded = this.unconfirmed.get(operation);
    this.unconfirmed.delete(operation);
    for (const id of offloaded ?? []) {
      const connection = this.core.connections.get(id);
      if (connection !== undefined) confirm(this.core, connection);
    }
  }
}
