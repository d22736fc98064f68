import { describe, expect, it } from 'vitest';
import { abort, Disposition, TcpState } from '../../src/tcp/index.ts';
import { ALL_OPTIONS, Pair, pattern, sameBytes } from './pair.ts';
import { Script, SEQUENCE_BASES } from './scripted.ts';

const S = TcpState;

describe.each(SEQUENCE_BASES)('closing (RFC 9293 3.6, 3.10.4), ISS %i IRS %i', (iss, irs) => {
  const base = { iss, irs };

  it('normal close, both sides of figure 12', () => {
    const active = Script.established(base);
    active.close();
    expect(active.take()).toEqual(['F. 0:0 ack 0']);
    active.arrive({ ack: 1 });
    expect(active.state).toBe(S.FIN_WAIT_2);
    active.arrive({ flags: 'F.' });
    expect(active.take()).toEqual(['. 1:1 ack 1']);
    expect(active.takeSeen() & Disposition.TIME_WAIT).not.toBe(0);
    active.run(59_999);
    expect(active.state).toBe(S.TIME_WAIT);
    active.run(1);
    expect(active.state).toBe(S.CLOSED);
    expect(active.takeSeen() & Disposition.CLOSED).not.toBe(0);

    const passive = Script.established(base);
    passive.arrive({ flags: 'F.' });
    expect(passive.take()).toEqual(['. 0:0 ack 1']);
    passive.close();
    expect(passive.state).toBe(S.LAST_ACK);
    expect(passive.take()).toEqual(['F. 0:0 ack 1']);
    passive.arrive({ ack: 1 });
    expect(passive.state).toBe(S.CLOSED);
  });

  it('simultaneous close, figure 13: CLOSING, then TIME-WAIT', () => {
    const script = Script.established(base);
    script.close();
    script.take();
    script.arrive({ flags: 'F.' });
    expect(script.state).toBe(S.CLOSING);
    expect(script.take()).toEqual(['. 1:1 ack 1']);
    script.arrive({ ack: 1 });
    expect(script.state).toBe(S.TIME_WAIT);
    expect(script.take()).toEqual([]);
  });

  it('FIN and the ACK of ours in one segment lead from FIN-WAIT-1 straight to TIME-WAIT', () => {
    const script = Script.established(base);
    script.close();
    script.take();
    const disposition = script.arrive({ flags: 'F.', ack: 1 });
    expect(script.state).toBe(S.TIME_WAIT);
    expect(disposition & Disposition.TIME_WAIT).not.toBe(0);
    expect(disposition & Disposition.FIN_ACKNOWLEDGED).not.toBe(0);
    expect(script.take()).toEqual(['. 1:1 ack 1']);
  });

  it('puts FIN on the last segment of what is queued, and sends a lone FIN when nothing is', () => {
    const script = Script.established({ ...base, window: 2000 });
    script.send(3000);
    script.close();
    expect(script.take()).toEqual(['. 0:1460 ack 0']);
    script.arrive({ ack: 1460, window: 2000 });
    expect(script.take()).toEqual(['. 1460:2920 ack 0', 'FP. 2920:3000 ack 0']);
    script.arrive({ ack: 3001 });
    expect(script.state).toBe(S.FIN_WAIT_2);
  });

  it('keeps FIN out of a window that the text fills', () => {
    const script = Script.established({ ...base, window: 1000 });
    script.send(1000);
    script.close();
    expect(script.take()).toEqual(['P. 0:1000 ack 0']);
    script.arrive({ ack: 1000, window: 1 });
    expect(script.take()).toEqual(['F. 1000:1000 ack 0']);
  });

  it('receives in FIN-WAIT-1 and FIN-WAIT-2, and sends in CLOSE-WAIT: half close both ways', () => {
    const ours = Script.inState(S.FIN_WAIT_2, base);
    ours.arrive({ length: 1000 });
    ours.arrive({ length: 1000 });
    expect(ours.delivered).toBe(2000);
    expect(ours.take()).toEqual(['. 1:1 ack 2000']);
    ours.arrive({ flags: 'F.', length: 500 });
    expect(ours.delivered).toBe(2500);
    expect(ours.take()).toEqual(['. 1:1 ack 2501']);
    expect(ours.state).toBe(S.TIME_WAIT);

    const theirs = Script.inState(S.CLOSE_WAIT, base);
    theirs.send(2000);
    theirs.close();
    expect(theirs.take()).toEqual(['. 0:1460 ack 1', 'FP. 1460:2000 ack 1']);
    theirs.arrive({ ack: 2001 });
    expect(theirs.state).toBe(S.CLOSED);
    expect(theirs.acknowledgedBytes).toBe(2000);
  });

  it('retransmits a lost FIN, alone or with its text, and takes a late ACK', () => {
    for (const length of [0, 100]) {
      const script = Script.established(base);
      if (length > 0) script.send(length);
      script.take();
      script.close();
      script.take();
      const line = length > 0 ? 'FP. 0:100 ack 0' : 'F. 0:0 ack 0';
      script.runTo(1400);
      expect(script.takeTimed()).toEqual([`200 ${line}`, `600 ${line}`, `1400 ${line}`]);
      script.arrive({ ack: length + 1 });
      expect(script.state).toBe(S.FIN_WAIT_2);
      expect(script.run(60_000).take()).toEqual([]);
    }
  });

  it('takes a FIN that arrives before the text, once the text is there (3.10.7.4 eighth)', () => {
    const script = Script.established(base);
    script.arrive({ flags: 'F.', seq: 100, length: 100 });
    expect(script.state).toBe(S.ESTABLISHED);
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    const disposition = script.arrive({ seq: 0, length: 100 });
    expect(script.delivered).toBe(200);
    expect(disposition & Disposition.PEER_CLOSED).not.toBe(0);
    expect(script.take()).toEqual(['. 0:0 ack 201']);
    expect(script.state).toBe(S.CLOSE_WAIT);
  });

  it('takes no text after the FIN', () => {
    const script = Script.inState(S.CLOSE_WAIT, base);
    script.arrive({ length: 100 });
    expect(script.delivered).toBe(0);
    expect(script.rcvNxt).toBe(1);
  });

  it('announces no window after the FIN: nothing can come any more', () => {
    const script = Script.established({ ...base, reading: false });
    script.arrive({ length: 60_000 });
    script.arrive({ flags: 'F.' });
    script.take();
    script.read(60_000);
    expect(script.take()).toEqual([]);
  });

  it('TIME-WAIT: 2 MSL start again with each FIN; a new SYN is reported and not touched (MUST-13, MAY-2, SHLD-4, RFC 6191)', () => {
    const script = Script.inState(S.TIME_WAIT, base);
    expect(script.arrive({ flags: 'S', seq: 50_000 }) & Disposition.NEW_CONNECTION).not.toBe(0);
    expect(script.take()).toEqual([]);
    expect(script.arrive({ flags: 'S', seq: -50_000 }) & Disposition.NEW_CONNECTION).toBe(0);
    expect(script.take()).toEqual(['. 1:1 ack 1']);

    const stamped = Script.inState(S.TIME_WAIT, { ...base, flags: ALL_OPTIONS });
    const recent = stamped.cb.delegated.tsRecent;
    const answers = [
      [{ seq: -50_000, ts: [recent + 1, 0] as const }, true],
      [{ seq: 50_000, ts: [recent - 1, 0] as const }, false],
      [{ seq: 50_000, ts: [recent, 0] as const }, true],
      [{ seq: -50_000, ts: [recent, 0] as const }, false],
      [{ seq: 50_000, ts: null }, true],
      [{ seq: -50_000, ts: null }, false],
    ] as const;
    for (const [segment, opens] of answers) {
      const disposition = stamped.arrive({ flags: 'S', ...segment });
      expect((disposition & Disposition.NEW_CONNECTION) !== 0, JSON.stringify(segment)).toBe(opens);
    }
    expect(stamped.state).toBe(S.TIME_WAIT);
  });
});

describe('CLOSE and ABORT in every state (RFC 9293 3.10.4, 3.10.5)', () => {
  it.each([
    ['ESTABLISHED', S.ESTABLISHED, S.FIN_WAIT_1],
    ['FIN-WAIT-1', S.FIN_WAIT_1, S.FIN_WAIT_1],
    ['FIN-WAIT-2', S.FIN_WAIT_2, S.FIN_WAIT_2],
    ['CLOSE-WAIT', S.CLOSE_WAIT, S.LAST_ACK],
    ['CLOSING', S.CLOSING, S.CLOSING],
    ['LAST-ACK', S.LAST_ACK, S.LAST_ACK],
    ['TIME-WAIT', S.TIME_WAIT, S.TIME_WAIT],
  ] as const)('CLOSE in %s', (_, state, next) => {
    const script = Script.inState(state);
    script.close();
    expect(script.state).toBe(next);
    expect(script.take()).toEqual(state === next ? [] : [`F. 0:0 ack ${script.rcvNxt}`]);
    script.close();
    expect(script.take()).toEqual([]);
  });

  it.each([
    ['ESTABLISHED', S.ESTABLISHED, ['R. 0:0 ack 0']],
    ['FIN-WAIT-1', S.FIN_WAIT_1, ['R. 1:1 ack 0']],
    ['FIN-WAIT-2', S.FIN_WAIT_2, ['R. 1:1 ack 0']],
    ['CLOSE-WAIT', S.CLOSE_WAIT, ['R. 0:0 ack 1']],
    ['CLOSING', S.CLOSING, []],
    ['LAST-ACK', S.LAST_ACK, []],
    ['TIME-WAIT', S.TIME_WAIT, []],
  ] as const)('ABORT in %s', (_, state, sent) => {
    const script = Script.inState(state);
    abort(script.tcp, script.cb);
    expect(script.take()).toEqual(sent);
    expect(script.state).toBe(S.CLOSED);
    expect(script.tcp.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    expect(script.arrive({ length: 10 })).toBe(0);
    expect(script.take()).toEqual([]);
  });

  it('ABORT resets within the window that the peer offers, where the peer believes it (RFC 5961 3.2)', () => {
    const script = Script.established({ window: 1000 });
    script.send(3000);
    script.arrive({ ack: 1000, window: 0 });
    script.run(300);
    expect(script.cb.delegated.sndMax).toBe((script.iss + 1 + 1001) | 0);
    script.take();
    abort(script.tcp, script.cb);
    expect(script.take()).toEqual(['R. 1000:1000 ack 0']);
  });

  it('nothing leaves after a reset, whatever timer ran', () => {
    const script = Script.established();
    script.arrive({ length: 100 });
    script.send(50);
    script.arrive({ length: 100, ack: 0 });
    script.take();
    script.arrive({ flags: 'R' });
    expect(script.run(100_000).take()).toEqual([]);
  });
});

describe('two engines that close', () => {
  it('deliver everything when both close at once under loss of the first FINs', () => {
    let lost = 0;
    const pair = new Pair({
      fate: (segment) => {
        if (segment.header.flags & 1 && lost < 3) {
          lost++;
          return [];
        }
        return [5000];
      },
    }).open();
    pair.run(100_000);
    const up = pattern(20_000, 1);
    const down = pattern(30_000, 2);
    pair.a.write(up);
    pair.b.write(down);
    pair.a.close();
    pair.b.close();
    pair.run(20_000_000);
    expect(sameBytes(pair.b.bytes(), up)).toBe(true);
    expect(sameBytes(pair.a.bytes(), down)).toBe(true);
    const ended: readonly TcpState[] = [S.CLOSED, S.TIME_WAIT];
    expect(ended).toContain(pair.a.cb.delegated.state);
    expect(ended).toContain(pair.b.cb.delegated.state);
    expect((pair.a.seen | pair.b.seen) & Disposition.RESET).toBe(0);
  });
});
