/** The receive delivery algorithm of spec/algorithms.md 2, box by box (RECV-05…25, RECV-32, RECV-37…44, TMR-PUSH-*). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NdisStatus } from '../../src/ndis/index.ts';
import type { ReceiveCompletion, ReceiveRequest } from '../../src/target/messages.ts';
import { ReceiveDelivery, type ReceiveDeliverySink } from '../../src/target/nic/receive-delivery.ts';

const text = (chunks: readonly Uint8Array[]): string => chunks.map((chunk) => new TextDecoder().decode(chunk)).join('');
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Records what the algorithm does, as lines: `complete 1:abc`, `indicate abc`, `consumed 3`, `timer on`, `timer off`, `end`. */
class Recorder implements ReceiveDeliverySink {
  readonly lines: string[] = [];
  completeReceives(completions: readonly ReceiveCompletion[]): void {
    const parts = completions.map(({ id, status, chunks }) => {
      const suffix = status === NdisStatus.SUCCESS ? '' : ` (${status})`;
      return `${id}:${text(chunks)}${suffix}`;
    });
    this.lines.push(`complete ${parts.join(' ')}`);
  }
  indicateReceive(chunks: readonly Uint8Array[]): void {
    this.lines.push(`indicate ${text(chunks)}`);
  }
  receiveConsumed(count: number): void {
    this.lines.push(`consumed ${count}`);
  }
  startPushTimer(): void {
    this.lines.push('timer on');
  }
  stopPushTimer(): void {
    this.lines.push('timer off');
  }
  endOfData(): void {
    this.lines.push('end');
  }
  /** What happened since the last call, without the accounting. */
  take(): string[] {
    return this.lines.splice(0).filter((line) => !line.startsWith('consumed'));
  }
}

function setUp(buffered: string[] = [], held = false): { delivery: ReceiveDelivery; log: Recorder } {
  const log = new Recorder();
  return { log, delivery: new ReceiveDelivery(log, held, buffered.map(bytes)) };
}

const request = (id: number, length: number, options: Partial<ReceiveRequest> = {}): ReceiveRequest => ({
  id,
  length,
  prefilled: 0,
  noPush: false,
  ...options,
});

function segment(delivery: ReceiveDelivery, value: string, push = false): void {
  delivery.arrive(bytes(value));
  delivery.segmentEnd(push);
}

describe('entry R: requests are posted', () => {
  it('R1 No, R2 No, R3: queues them and does nothing (RECV-10)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4)]);
    expect(log.take()).toEqual([]);
    expect(delivery.posted).toBe(1);
  });

  it('R2 Yes: buffered data goes into them at once (RECV-11)', () => {
    const { delivery, log } = setUp(['abcd']);
    delivery.post([request(1, 4)]);
    expect(log.take()).toEqual(['complete 1:abcd']);
  });

  it('R1 Yes: while an indication is in progress they only queue, and are processed when it finishes (RECV-09)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'abcd');
    expect(log.take()).toEqual(['indicate abcd']);
    delivery.post([request(1, 4)]);
    expect(log.take()).toEqual([]);
    delivery.indicated(NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED, 0); // B3 No, B6 Yes: connector A (RECV-22)
    expect(log.take()).toEqual(['complete 1:abcd']);
  });

  it('R1 Yes: a post inside a completion makes no nested completion (RECV-07)', () => {
    const { delivery, log } = setUp(['abcdef']);
    delivery.post([request(1, 4)]);
    expect(log.take()).toEqual(['complete 1:abcd']);
    delivery.post([request(2, 2)]);
    expect(log.take()).toEqual([]);
    delivery.completed();
    expect(log.take()).toEqual(['complete 2:ef']);
  });
});

describe('entry S: an in-sequence segment', () => {
  it('S1 Yes: queues while busy and is processed afterwards, in order (RECV-12)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'ab');
    expect(log.take()).toEqual(['indicate ab']);
    segment(delivery, 'cd');
    segment(delivery, 'ef');
    expect(log.take()).toEqual([]);
    delivery.indicated(NdisStatus.SUCCESS, 2);
    // B2 shows all that has come meanwhile in one indication (RECV-42).
    expect(log.take()).toEqual(['indicate cdef']);
  });

  it('S2 Yes: into the earliest request (RECV-02, RECV-05)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 2), request(2, 4)]);
    segment(delivery, 'ab');
    expect(log.take()).toEqual(['complete 1:ab']);
    delivery.completed();
    segment(delivery, 'cdef');
    expect(log.take()).toEqual(['complete 2:cdef']);
  });

  it('S3 Yes: behind buffered data, without an indication (RECV-13, RECV-24)', () => {
    const { delivery, log } = setUp(['ab']);
    segment(delivery, 'cd');
    expect(log.take()).toEqual([]);
    expect(delivery.backlog).toBe(4);
    delivery.post([request(1, 4)]);
    expect(log.take()).toEqual(['complete 1:abcd']);
  });

  it('S3 No: is indicated (RECV-14)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'abcd');
    expect(log.take()).toEqual(['indicate abcd']);
  });
});

describe('connector A: placement', () => {
  it('P2, P5 No: fills all requests in one call and indicates the rest when that has returned (RECV-16, RECV-20, RECV-32)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 2), request(2, 2)]);
    segment(delivery, 'abcdef');
    expect(log.take()).toEqual(['complete 1:ab 2:cd']); // B1 Yes: the indication waits
    segment(delivery, 'gh');
    delivery.completed();
    expect(log.take()).toEqual(['indicate efgh']);
  });

  it('P6 No: exits without a timer when the requests are exactly filled', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 2)]);
    segment(delivery, 'ab');
    expect(log.take()).toEqual(['complete 1:ab']);
    delivery.completed();
    expect(log.take()).toEqual([]);
  });

  it('P7 No: a partial non-push request waits without a timer, whatever PSH says (RECV-19, RECV-33)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4, { noPush: true })]);
    segment(delivery, 'ab', true);
    expect(log.take()).toEqual([]);
    delivery.pushTimerExpired(); // T2 No
    expect(log.take()).toEqual([]);
    segment(delivery, 'cd');
    expect(log.take()).toEqual(['complete 1:abcd']);
  });

  it('P8 Yes, P9: PSH completes a partial push-mode request (RECV-17)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4)]);
    segment(delivery, 'ab', true);
    expect(log.take()).toEqual(['complete 1:ab']);
  });

  it('P9 in the same call as the filled ones, in order (RECV-32)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 2), request(2, 4)]);
    segment(delivery, 'abc', true);
    expect(log.take()).toEqual(['complete 1:ab 2:c']);
  });

  it('P10: PSH stops the running timer', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4)]);
    segment(delivery, 'a');
    expect(log.take()).toEqual(['timer on']);
    segment(delivery, 'b', true);
    expect(log.take()).toEqual(['timer off', 'complete 1:ab']);
  });

  it('P11: starts the timer with the first byte and leaves it alone afterwards (RECV-18, TMR-PUSH-02, decision 17)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 9)]);
    expect(log.take()).toEqual([]); // not for a request that holds nothing
    segment(delivery, 'a');
    expect(log.take()).toEqual(['timer on']);
    segment(delivery, 'b');
    expect(log.take()).toEqual([]);
  });

  it('P3 Yes, P4: any completion stops the timer (RECV-15)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 2)]);
    segment(delivery, 'a');
    segment(delivery, 'b');
    expect(log.take()).toEqual(['timer on', 'timer off', 'complete 1:ab']);
  });

  it('PSH in the middle of what waited does not count, the last byte does', () => {
    const { delivery, log } = setUp(['ab']);
    delivery.post([request(1, 2)]);
    segment(delivery, 'cd', true);
    segment(delivery, 'ef', false);
    delivery.completed();
    expect(log.take()).toEqual(['complete 1:ab', 'indicate cdef']);
  });
});

describe('connector B: indication', () => {
  it('B3 Yes, B4 No: exits (RECV-37)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'ab');
    delivery.indicated(NdisStatus.SUCCESS, 2);
    expect(log.take()).toEqual(['indicate ab']);
    expect(delivery.backlog).toBe(0);
  });

  it('B4 Yes, B5 No: indicates on until nothing is left (RECV-21, RECV-41)', () => {
    const { delivery, log } = setUp();
    delivery.indicationSize = 2;
    segment(delivery, 'abcde');
    delivery.indicated(NdisStatus.SUCCESS, 2);
    delivery.indicated(NdisStatus.SUCCESS, 2);
    delivery.indicated(NdisStatus.SUCCESS, 1);
    expect(log.take()).toEqual(['indicate ab', 'indicate cd', 'indicate e']);
  });

  it('B5 Yes: what is left goes into requests posted meanwhile (RECV-21)', () => {
    const { delivery, log } = setUp();
    delivery.indicationSize = 2;
    segment(delivery, 'abcd');
    delivery.post([request(1, 2)]);
    delivery.indicated(NdisStatus.SUCCESS, 2);
    expect(log.take()).toEqual(['indicate ab', 'complete 1:cd']);
  });

  it('B3 No, B6 No, B7: refused data is buffered and not indicated again before a post (RECV-22, RECV-24, RECV-38)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'abcd');
    delivery.indicated(NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED, 0);
    segment(delivery, 'ef');
    expect(log.take()).toEqual(['indicate abcd']);
    expect(delivery.backlog).toBe(6);
    delivery.post([request(1, 3)]);
    expect(log.take()).toEqual(['complete 1:abc']);
    delivery.completed();
    expect(log.take()).toEqual(['indicate def']);
  });

  it('partial acceptance buffers only the rest (RECV-39)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'abcd');
    delivery.indicated(NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED, 3);
    expect(log.lines).toEqual(['indicate abcd', 'consumed 3']);
    log.take();
    delivery.post([request(1, 9)]);
    segment(delivery, 'e', true);
    expect(log.take()).toEqual(['timer on', 'timer off', 'complete 1:de']);
  });

  it('partial acceptance with a request at hand fills it (B6 Yes)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'abcd');
    delivery.post([request(1, 3)]);
    delivery.indicated(NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED, 1);
    expect(log.take()).toEqual(['indicate abcd', 'complete 1:bcd']);
  });

  it('with an indication size, later data waits for a post (RECV-43)', () => {
    const { delivery, log } = setUp();
    delivery.indicationSize = 4;
    segment(delivery, 'abcd');
    delivery.indicated(NdisStatus.SUCCESS, 4);
    segment(delivery, 'ef', true);
    expect(log.take()).toEqual(['indicate abcd']);
    delivery.post([request(1, 9)]);
    expect(log.take()).toEqual(['complete 1:ef']);
  });
});

describe('zero-length and prefilled requests', () => {
  it('a zero-length request takes no data, completes, and lets refused data be indicated again (RECV-25)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'ab');
    delivery.indicated(NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED, 0);
    log.take();
    delivery.post([request(1, 0)]);
    expect(log.take()).toEqual(['complete 1:']);
    delivery.completed();
    expect(log.take()).toEqual(['indicate ab']);
  });

  it('a zero-length request without data waits for the next segment (R3, then S2)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 0)]);
    expect(log.take()).toEqual([]);
    segment(delivery, 'ab');
    expect(log.take()).toEqual(['complete 1:']);
    delivery.completed();
    expect(log.take()).toEqual(['indicate ab']);
  });

  it('a prefilled push-mode request starts the timer when posted, and data follows its bytes (TMR-PUSH-03)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 6, { prefilled: 4 })]);
    expect(log.take()).toEqual(['timer on']);
    segment(delivery, 'ef');
    expect(log.take()).toEqual(['timer off', 'complete 1:ef']); // two bytes fitted
  });

  it('a prefilled non-push request starts none', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 6, { prefilled: 4, noPush: true })]);
    segment(delivery, 'ef');
    expect(log.take()).toEqual(['complete 1:ef']);
  });
});

describe('push timer expiry', () => {
  it('T1 No: nothing (RECV-23)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4)]);
    delivery.pushTimerExpired();
    expect(log.take()).toEqual([]);
  });

  it('T3: completes the partial request (RECV-23)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4)]);
    segment(delivery, 'ab');
    delivery.pushTimerExpired();
    expect(log.take()).toEqual(['timer on', 'complete 1:ab']);
  });

  it('while busy: runs when the call has finished (derived detail of 2.5)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4), request(2, 4)]);
    segment(delivery, 'abcdef');
    expect(log.take()).toEqual(['complete 1:abcd', 'timer on'].reverse());
    delivery.pushTimerExpired();
    expect(log.take()).toEqual([]);
    delivery.completed();
    expect(log.take()).toEqual(['complete 2:ef']);
  });
});

describe('data handed over at offload', () => {
  it('waits for a post, fills it, and the rest is indicated before newer data (RECV-44)', () => {
    const { delivery, log } = setUp(['ab', 'cd']);
    segment(delivery, 'ef');
    expect(log.take()).toEqual([]);
    delivery.post([request(1, 3)]);
    delivery.completed();
    expect(log.take()).toEqual(['complete 1:abc', 'indicate def']);
  });

  it('nothing is indicated or completed before the initiate is confirmed (INIT-09)', () => {
    const { delivery, log } = setUp([], true);
    segment(delivery, 'ab');
    expect(log.take()).toEqual([]);
    delivery.confirm();
    expect(log.take()).toEqual(['indicate ab']);
  });
});

describe('the end of the data', () => {
  it('a FIN is reported only when all data before it was consumed (EVT-01)', () => {
    const { delivery, log } = setUp();
    segment(delivery, 'ab');
    delivery.endAfterData();
    expect(log.take()).toEqual(['indicate ab']);
    delivery.indicated(NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED, 0);
    expect(log.take()).toEqual([]);
    delivery.post([request(1, 4)]);
    // The rest of the request can not be filled any more.
    expect(log.take()).toEqual(['timer on', 'timer off', 'complete 1:ab']);
    delivery.completed();
    expect(log.take()).toEqual(['end']);
  });

  it('completes posted requests in order with what they hold, then reports (decision 15)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4), request(2, 4)]);
    segment(delivery, 'ab');
    delivery.endAfterData();
    expect(log.take()).toEqual(['timer on', 'timer off', 'complete 1:ab 2:']);
    delivery.completed();
    expect(log.take()).toEqual(['end']);
  });

  it('requests posted after it fail with INVALID_STATE and no bytes (RECV-30)', () => {
    const { delivery, log } = setUp();
    delivery.endAfterData();
    expect(log.take()).toEqual(['end']);
    delivery.post([request(1, 4)]);
    expect(log.take()).toEqual([`complete 1: (${NdisStatus.INVALID_STATE})`]);
  });

  it('an abort completes requests with REQUEST_ABORTED and the bytes they hold (EVT-04, RECV-28)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 4), request(2, 4)]);
    segment(delivery, 'ab');
    delivery.abort(NdisStatus.REQUEST_ABORTED);
    const aborted = `(${NdisStatus.REQUEST_ABORTED})`;
    expect(log.take()).toEqual(['timer on', 'timer off', `complete 1:ab ${aborted} 2: ${aborted}`]);
  });

  it('a terminate gets the undelivered data and its requests back (RECV-29, TERM-23, TMR-PUSH-05)', () => {
    const { delivery, log } = setUp();
    delivery.post([request(1, 9)]);
    segment(delivery, 'ab');
    const left = delivery.finish(NdisStatus.UPLOAD_IN_PROGRESS);
    expect(left).toEqual([]);
    expect(log.take()).toEqual(['timer on', 'timer off', `complete 1:ab (${NdisStatus.UPLOAD_IN_PROGRESS})`]);
    const other = setUp(['cd']);
    segment(other.delivery, 'ef');
    expect(text(other.delivery.finish(NdisStatus.UPLOAD_IN_PROGRESS))).toBe('cdef');
  });
});

describe('any schedule', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('segment' as const), length: fc.integer({ min: 1, max: 9 }), push: fc.boolean() }),
    fc.record({ kind: fc.constant('post' as const), length: fc.integer({ min: 0, max: 9 }), noPush: fc.boolean() }),
    fc.record({ kind: fc.constant('answer' as const), accept: fc.integer({ min: 0, max: 9 }) }),
    fc.record({ kind: fc.constant('timer' as const) }),
  );

  it('delivers every byte once and in order, one call at a time, requests first in first out (RECV-02, RECV-06)', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 3), (steps, indicationSize) => {
        let sent = 0;
        const received: number[] = [];
        let nextCompleted = 1;
        let posted = 0;
        let open: { kind: 'complete' } | { kind: 'indicate'; shown: Uint8Array } | null = null;
        const collect = (chunks: readonly Uint8Array[]): void => {
          for (const chunk of chunks) received.push(...chunk);
        };
        const sink: ReceiveDeliverySink = {
          completeReceives(completions) {
            expect(open).toBeNull();
            open = { kind: 'complete' };
            for (const { id, chunks } of completions) {
              expect(id).toBe(nextCompleted);
              nextCompleted += 1;
              collect(chunks);
            }
          },
          indicateReceive(chunks) {
            expect(open).toBeNull();
            open = { kind: 'indicate', shown: Uint8Array.from(chunks.flatMap((chunk) => [...chunk])) };
          },
          receiveConsumed: () => {},
          startPushTimer: () => {},
          stopPushTimer: () => {},
          endOfData: () => {},
        };
        const delivery = new ReceiveDelivery(sink, false, []);
        delivery.indicationSize = indicationSize;
        const answer = (accept: number): void => {
          const call = open as { kind: 'complete' } | { kind: 'indicate'; shown: Uint8Array } | null;
          if (call === null) return;
          open = null;
          if (call.kind === 'complete') delivery.completed();
          else if (accept >= call.shown.length) {
            collect([call.shown]);
            delivery.indicated(NdisStatus.SUCCESS, call.shown.length);
          } else if (accept > 0) {
            collect([call.shown.subarray(0, accept)]);
            delivery.indicated(NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED, accept);
          } else delivery.indicated(NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED, 0);
        };
        for (const each of steps) {
          if (each.kind === 'segment') {
            delivery.arrive(Uint8Array.from({ length: each.length }, (_, index) => (sent + index) & 0xff));
            sent += each.length;
            delivery.segmentEnd(each.push);
          } else if (each.kind === 'post') {
            posted += 1;
            delivery.post([request(posted, each.length, { noPush: each.noPush })]);
          } else if (each.kind === 'answer') answer(each.accept);
          else delivery.pushTimerExpired();
        }
        while (open !== null) answer(9);
        const left = delivery.finish(NdisStatus.UPLOAD_IN_PROGRESS);
        collect(left);
        expect(received).toEqual(Array.from({ length: sent }, (_, index) => index & 0xff));
        expect(nextCompleted).toBe(posted + 1);
      }),
      { numRuns: 500 },
    );
  });
});
