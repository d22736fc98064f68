/**
 * The receive delivery algorithm (spec/algorithms.md 2): which received bytes go into which posted request, what is
 * indicated, what is buffered. The labels R1…T3 in the comments are the boxes of its three charts.
 *
 * In the contract a completion or indication is a call, and it is over when it returns. Here it is a message, and it is
 * over when its answer arrives; until then the connection is *busy* and everything else waits (RECV-06…09, RECV-12).
 */
import { NdisStatus } from '../../ndis/index.ts';
import type { ReceiveCompletion, ReceiveRequest } from '../messages.ts';
import { ReceiveQueue } from './receive-queue.ts';

/** What the algorithm does to the world around it. */
export interface ReceiveDeliverySink {
  /** NdisTcpOffloadReceiveComplete; the answer comes as `ReceiveDelivery.completed`. */
  completeReceives(completions: readonly ReceiveCompletion[]): void;
  /** NdisTcpOffloadReceiveHandler with so many bytes; the answer comes as `ReceiveDelivery.indicated`. */
  indicateReceive(chunks: readonly Uint8Array[]): void;
  /** So many bytes left the target: the receive window may open (RECV-27). */
  receiveConsumed(bytes: number): void;
  /** Starts the push timer at its full value (TMR-PUSH-01). */
  startPushTimer(): void;
  stopPushTimer(): void;
  /** The peer has closed, and everything before its FIN was consumed (EVT-01). Called once. */
  endOfData(): void;
}

/** A posted request and what has been placed in it. */
class PostedRequest {
  readonly id: number;
  readonly noPush: boolean;
  /** Bytes that the host had filled (TcpReceiveBytesTransferred). */
  readonly prefilled: number;
  /** Bytes that still fit. */
  space: number;
  readonly chunks: Uint8Array[] = [];

  constructor(request: ReceiveRequest) {
    this.id = request.id;
    this.noPush = request.noPush;
    this.prefilled = request.prefilled;
    this.space = request.length - request.prefilled;
  }

  get isPartial(): boolean {
    return this.space > 0 && (this.prefilled > 0 || this.chunks.length > 0);
  }

  completion(status: NdisStatus): ReceiveCompletion {
    return { id: this.id, status, chunks: this.chunks };
  }
}

/** Of every connection to which nothing was posted yet; never changed. */
const NO_REQUESTS: PostedRequest[] = [];

export class ReceiveDelivery {
  /** A completion or an indication is in progress. */
  busy = false;
  /** Preferred bytes of an indication (RcvIndicationSize); 0: as many as there are (RECV-41, RECV-42). */
  indicationSize = 0;

  private readonly sink: ReceiveDeliverySink;
  private requests = NO_REQUESTS;
  /** Data past box S1: remaining of a segment, or buffered. */
  private readonly data = new ReceiveQueue();
  /** In-sequence data that arrived while busy (RECV-12). */
  private readonly waiting = new ReceiveQueue();
  /** The data stands at connector B and is to be indicated; otherwise it is buffered data, which waits for a post. */
  private atConnectorB = false;
  /** Bytes of `data` that the running indication shows to the host. */
  private indicatedBytes = 0;
  /** An indication was made on an indicate-and-post connection, and nothing was posted since (RECV-43). */
  private awaitsPost = false;
  /** Nothing is completed or indicated before the initiate was confirmed (INIT-09). */
  private held: boolean;
  private pushTimerRunning = false;
  private pushTimerExpiredWhileBusy = false;
  private peerClosed = false;
  /** Status for all requests once nothing more will be delivered; null while the receive half lives. */
  private ended: NdisStatus | null = null;
  private endReported = false;

  /**
   * @param held true until `confirm`: the connection is live, but nothing is indicated yet (INIT-08, INIT-09)
   * @param buffered data handed over with the connection; the views now belong to the delivery (RECV-44)
   */
  constructor(sink: ReceiveDeliverySink, held: boolean, buffered: readonly Uint8Array[]) {
    this.sink = sink;
    this.held = held;
    for (const bytes of buffered) this.data.append(bytes, true);
  }

  /** Bytes received and neither placed nor accepted: ReceiveBacklogSize (QRY-08). */
  get backlog(): number {
    return this.data.length + this.waiting.length;
  }

  /** Posted requests that are not completed. */
  get posted(): number {
    return this.requests.length;
  }

  /** The completion call of the initiate has returned (INIT-09). */
  confirm(): void {
    this.held = false;
    this.run();
  }

  /** Entry R: receive requests are posted (RECV-01, RECV-02). */
  post(requests: readonly ReceiveRequest[]): void {
    if (this.requests === NO_REQUESTS) this.requests = [];
    for (const request of requests) {
      const posted = new PostedRequest(request);
      this.requests.push(posted);
      // TMR-PUSH-03: a push-mode request that holds bytes already.
      if (!posted.noPush && posted.isPartial) this.startPushTimer();
    }
    this.awaitsPost = false;
    // R1, R3: while busy they only queue up. R2: `run` looks for buffered data.
    this.run();
  }

  /** Takes in-sequence data of the segment being processed; `segmentEnd` follows when the segment is done. */
  arrive(bytes: Uint8Array): void {
    this.waiting.append(bytes, false);
  }

  /** Entry S: the in-sequence segment that brought data is complete; `push` is its PSH bit. */
  segmentEnd(push: boolean): void {
    if (push) this.waiting.markLast(true);
    this.run();
  }

  /** The peer's FIN was received behind all data so far. */
  endAfterData(): void {
    this.peerClosed = true;
    this.run();
  }

  /** Nothing is completed or indicated any more until `finish`: the hardware's state is lost (HWF-04). */
  freeze(): void {
    this.held = true;
    this.stopPushTimer();
  }

  /** The call that `completeReceives` announced has returned. */
  completed(): void {
    this.busy = false;
    this.afterCall();
  }

  /**
   * The call that `indicateReceive` announced has returned with B3's result. A count beyond what was indicated is read
   * as all of it.
   */
  indicated(status: NdisStatus, bytesConsumed: number): void {
    this.busy = false;
    const shown = this.indicatedBytes;
    this.indicatedBytes = 0;
    let taken = 0;
    if (status === NdisStatus.SUCCESS) {
      // B3 Yes: the host took all; what is left goes on at B4 (RECV-37).
      taken = shown;
    } else {
      if (status === NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED) taken = Math.min(bytesConsumed, shown);
      // B3 No, B7: the rest is buffered, unless B6 finds a request (RECV-22, RECV-38, RECV-39).
      this.atConnectorB = false;
    }
    taken = Math.min(taken, this.data.length);
    this.data.drop(taken);
    if (taken > 0) this.sink.receiveConsumed(taken);
    this.afterCall();
  }

  /** The push timer that `startPushTimer` started has expired. */
  pushTimerExpired(): void {
    this.pushTimerRunning = false;
    if (this.busy || this.held) {
      this.pushTimerExpiredWhileBusy = true;
      return;
    }
    this.expirePushTimer();
  }

  /** The connection is aborted: requests complete with this status as soon as nothing is in progress, data is dropped (EVT-04). */
  abort(status: NdisStatus): void {
    this.ended = status;
    this.endReported = true;
    this.data.clear();
    this.waiting.clear();
    this.stopPushTimer();
    this.run();
  }

  /**
   * Ends the delivery for a terminate: completes every request with UPLOAD_IN_PROGRESS and the bytes that it holds
   * (RECV-29) and returns the undelivered data, which ends at RCV.NXT (TERM-22, TERM-23). Must not be called while busy.
   */
  finish(status: NdisStatus): Uint8Array[] {
    this.stopPushTimer();
    if (this.requests.length > 0) {
      this.sink.completeReceives(this.requests.splice(0).map((request) => request.completion(status)));
    }
    this.data.moveAll(this.waiting);
    const left = this.data.peek(this.data.length);
    this.data.clear();
    return left;
  }

  private afterCall(): void {
    if (this.pushTimerExpiredWhileBusy) {
      this.pushTimerExpiredWhileBusy = false;
      this.expirePushTimer();
    }
    this.run();
  }

  /** Carries the algorithm on until it exits or becomes busy (RECV-08). */
  private run(): void {
    while (!this.busy && !this.held && this.ended === null) {
      if (this.data.length > 0) {
        // R2 Yes, B5 Yes, B6 Yes: connector A.
        if (this.requests.length > 0) this.place();
        else if (this.atConnectorB) this.indicate();
        else {
          // S3 Yes: behind the buffered data.
          this.data.moveAll(this.waiting);
          return;
        }
      } else if (this.waiting.length > 0) {
        // S1 No. S2 Yes: P1 in the next round. S2 No, S3 No: connector B, unless the host is to post first.
        this.data.moveOne(this.waiting);
        this.atConnectorB = !this.awaitsPost;
      } else break;
    }
    if (!this.busy && !this.held) this.end();
  }

  /** P1…P11: data into requests. */
  private place(): void {
    const completions: ReceiveCompletion[] = [];
    let placed = 0;
    // P1, P2: a zero-length request counts as filled (RECV-25).
    while (this.requests.length > 0) {
      const request = this.requests[0];
      if (request.space === 0) {
        completions.push(request.completion(NdisStatus.SUCCESS));
        this.requests.shift();
      } else if (this.data.length > 0) {
        const taken = this.data.take(request.space, request.chunks);
        request.space -= taken;
        placed += taken;
      } else break;
    }
    if (completions.length > 0) this.stopPushTimer(); // P3, P4
    if (this.data.length > 0) {
      this.atConnectorB = true; // P5 No
    } else if (this.requests.length > 0 && this.requests[0].isPartial) {
      const request = this.requests[0]; // P6 Yes
      if (!request.noPush) {
        // P7 Yes
        if (this.data.takenPush) {
          completions.push(request.completion(NdisStatus.SUCCESS)); // P8 Yes, P9: in the same call (RECV-32)
          this.requests.shift();
          this.stopPushTimer(); // P10
        } else this.startPushTimer(); // P11; a timer that runs is left alone (spec/decisions.md 17)
      }
    }
    if (placed > 0) this.sink.receiveConsumed(placed);
    this.complete(completions);
  }

  /** B1 No, B2: the remaining data is indicated, with what has queued up behind it when the size is free (RECV-42). */
  private indicate(): void {
    if (this.indicationSize === 0) this.data.moveAll(this.waiting);
    else this.awaitsPost = true;
    const bytes = this.indicationSize === 0 ? this.data.length : Math.min(this.indicationSize, this.data.length);
    this.indicatedBytes = bytes;
    this.busy = true;
    this.sink.indicateReceive(this.data.peek(bytes));
  }

  /** T1…T3. */
  private expirePushTimer(): void {
    if (this.requests.length === 0 || !this.requests[0].isPartial) return; // T1
    if (this.requests[0].noPush) return; // T2
    const [request] = this.requests.splice(0, 1);
    this.complete([request.completion(NdisStatus.SUCCESS)]); // T3
  }

  /** What happens when no data is left and none will come (spec/decisions.md 15; RECV-30). */
  private end(): void {
    if (this.ended === null) {
      if (!this.peerClosed || this.data.length > 0 || this.waiting.length > 0) return;
      // The requests complete in order with what they hold; the event follows when that call has returned.
      this.stopPushTimer();
      if (this.completeAll(NdisStatus.SUCCESS)) return;
      this.ended = NdisStatus.INVALID_STATE;
    }
    if (!this.endReported) {
      this.endReported = true;
      this.sink.endOfData();
    }
    this.completeAll(this.ended);
  }

  /** Completes every request; false when there are none. */
  private completeAll(status: NdisStatus): boolean {
    if (this.requests.length === 0) return false;
    this.complete(this.requests.splice(0).map((request) => request.completion(status)));
    return true;
  }

  private complete(completions: readonly ReceiveCompletion[]): void {
    if (completions.length === 0) return;
    this.busy = true;
    this.sink.completeReceives(completions);
  }

  private startPushTimer(): void {
    if (this.pushTimerRunning) return;
    this.pushTimerRunning = true;
    this.sink.startPushTimer();
  }

  private stopPushTimer(): void {
    this.pushTimerExpiredWhileBusy = false;
    if (!this.pushTimerRunning) return;
    this.pushTimerRunning = false;
    this.sink.stopPushTimer();
  }
}
