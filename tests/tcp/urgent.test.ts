import { describe, expect, it } from 'vitest';
import { Disposition, TcpState } from '../../src/tcp/index.ts';
import { Script } from './scripted.ts';

describe('urgent data', () => {
  it('is text like any other for an owner that does not refuse it (RFC 9293 3.10.7.4 sixth)', () => {
    const script = Script.established();
    const disposition = script.arrive({ flags: 'U.', length: 100 });
    expect(disposition & Disposition.URGENT).toBe(0);
    expect(script.delivered).toBe(100);
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
