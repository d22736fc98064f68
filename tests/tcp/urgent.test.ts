import { describe, expect, it } from 'vitest';
import { Disposition, markUrgent, TcpState } from '../../src/tcp/index.ts';
import { TcpFlag } from '../../src/wire/tcp-header.ts';
import { type Outgoing, Script } from './scripted.ts';

describe('urgent data', () => {
  it('is text like any other for an owner that does not refuse it (RFC 9293 3.10.7.4 sixth)', () => {
    const script = Script.established();
    const disposition = script.arrive({ flags: 'U.', length: 100 });
    expect(disposition & Disposition.URGENT).toBe(0);
    expect(script.delivered).toBe(100);
  });

  it('is announced with its end: the octet behind it, however far that is (MUST-30, MUST-31, MUST-62)', () => {
    const script = Script.established();
    script.arrive({ flags: 'U.', length: 100, urgent: 40 });
    script.arrive({ flags: 'U.', length: 100, urgent: 65_535 });
    expect(script.urgentEnds).toEqual([40, 100 + 65_535]);
    expect(script.delivered).toBe(200);
  });

  it('is announced ahead of bytes that are missing, and not when the pointer lies in the past', () => {
    const script = Script.established();
    script.arrive({ flags: 'U.', seq: 500, length: 100, urgent: 100 });
    expect([script.urgentEnds, script.delivered]).toEqual([[600], 0]);
    script.arrive({ length: 500 });
    script.arrive({ flags: 'U.', seq: 590, length: 20, urgent: 10 });
    expect([script.urgentEnds, script.delivered]).toEqual([[600], 610]);
  });

  it('is announced while the window is zero, by a segment whose text is not taken (MUST-66)', () => {
    const script = Script.established({ receiveBuffer: 100, reading: false });
    script.arrive({ length: 100 });
    expect(script.cb.delegated.rcvWnd).toBe(0);
    script.arrive({ flags: 'U.', length: 50, urgent: 50 });
    expect([script.urgentEnds, script.delivered]).toEqual([[150], 100]);
  });

  it('is ignored after the FIN (RFC 9293 3.10.7.4 sixth)', () => {
    const script = Script.inState(TcpState.CLOSE_WAIT);
    script.arrive({ flags: 'U.', urgent: 7 });
    expect(script.urgentEnds).toEqual([]);
  });

  it('URG-02, URG-03: is reported and not touched for one that does: no ACK, no state changes', () => {
    const script = Script.established();
    script.cb.refuseUrgent = true;
    script.send(100);
    script.take();
    const disposition = script.arrive({ flags: 'UF.', length: 100, ack: 100, window: 1 });
    expect(disposition).toBe(Disposition.URGENT);
    expect([script.rcvNxt, script.sndUna, script.delivered]).toEqual([0, 0, 0]);
    expect(script.cb.delegated.sndWnd).toBe(65_535);
    expect(script.take()).toEqual([]);
    expect(script.state).toBe(TcpState.ESTABLISHED);
  });

  it('URG-01: with a sequence number outside of the window, or an ACK that cannot be, it is an ordinary bad segment', () => {
    const script = Script.established();
    script.cb.refuseUrgent = true;
    for (const segment of [
      { flags: 'U.', seq: 70_000, length: 10 },
      { flags: 'U.', seq: -100, length: 10 },
      { flags: 'U.', length: 10, ack: 1 },
    ]) {
      expect(script.arrive(segment) & Disposition.URGENT).toBe(0);
      expect(script.delivered).toBe(0);
      expect(script.take()).toEqual(['. 0:0 ack 0']);
    }
    script.arrive({ length: 10 });
    expect(script.delivered).toBe(10);
  });
});

/** Without Nagle: what is queued leaves. */
const AT_ONCE = { cached: { flags: 0 } };

describe('sending urgent data', () => {
  const pointers = (segments: Outgoing[]) =>
    segments.map(({ header, length }) => [length, header.flags & TcpFlag.URG ? header.urgentPointer : null]);

  function sendUrgent(script: Script, length: number): void {
    script.cb.sendQueue.append(script.ownBytes(length));
    markUrgent(script.tcp, script.cb, script.cb.sendQueue.length);
  }

  it('points behind its last octet from every segment that begins before that (MUST-30, MUST-62)', () => {
    const script = Script.established(AT_ONCE);
    sendUrgent(script, 3000);
    script.send(2000);
    expect(pointers(script.takeSegments())).toEqual([
      [1460, 3000],
      [1460, 1540],
      [80, 80],
      [1460, null],
      [540, null],
    ]);
    script.arrive({ ack: 3000 });
    expect(script.cb.urgentPending).toBe(false);
  });

  it('reaches as far as 16 bits do, and goes on to the end of more (MUST-31)', () => {
    const script = Script.established({ flags: 0x04, receiveScale: 2, sendScale: 4, window: 0xffff });
    sendUrgent(script, 70_000);
    const first = script.takeSegments();
    expect(pointers(first)[0]).toEqual([1460, 0xffff]);
    for (let rounds = 0; script.sndUna < 70_000 && rounds < 100; rounds++) {
      script.arrive({ ack: script.sndMax });
      for (const { header, length } of script.takeSegments()) {
        const begin = (header.sequence - script.iss - 1) | 0;
        expect([begin, length, header.urgentPointer]).toEqual([begin, length, Math.min(0xffff, 70_000 - begin)]);
      }
      script.run(1);
    }
    expect(script.cb.urgentPending).toBe(false);
  });

  it('is told at once, also to a peer whose window is zero', () => {
    const script = Script.established({ window: 0 });
    script.arrive({ window: 0 });
    script.take();
    sendUrgent(script, 10);
    expect(pointers(script.takeSegments())).toEqual([[0, 10]]);
  });

  it('is not cut by a link: every segment has a pointer of its own', () => {
    const script = Script.established({ ...AT_ONCE, parameters: { maximumSegmentPayload: 65_535 } });
    sendUrgent(script, 4000);
    expect(pointers(script.takeSegments())).toEqual([
      [1460, 4000],
      [1460, 2540],
      [1080, 1080],
    ]);
  });

  it('is marked again when it is retransmitted', () => {
    const script = Script.established(AT_ONCE);
    sendUrgent(script, 10);
    script.take();
    script.run(1000);
    expect(pointers(script.takeSegments())[0]).toEqual([10, 10]);
  });
});
