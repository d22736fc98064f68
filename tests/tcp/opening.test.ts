import { describe, expect, it } from 'vitest';
import { abort, closeSend, Disposition, TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { ALL_OPTIONS } from './pair.ts';
import { Script, SEQUENCE_BASES } from './scripted.ts';

describe.each(SEQUENCE_BASES)('SYN-SENT (RFC 9293 3.10.7.3), ISS %i IRS %i', (iss, irs) => {
  const base = { iss, irs };

  it('sends a SYN, and completes the handshake with one ACK', () => {
    const script = Script.synSent(base);
    expect(script.take()).toEqual(['S -1:-1']);
    const disposition = script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460 });
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    expect(script.state).toBe(TcpState.ESTABLISHED);
    expect(disposition & Disposition.ESTABLISHED).not.toBe(0);
  });

  it('lets the first data ride on the ACK of the SYN-ACK', () => {
    const script = Script.synSent(base);
    script.take();
    script.send(100);
    expect(script.take()).toEqual([]);
    script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460 });
    expect(script.take()).toEqual(['P. 0:100 ack 0']);
  });

  it('answers an ACK of what it did not send with a reset <SEQ=SEG.ACK>, and stays', () => {
    for (const [flags, ack] of [
      ['.', -1],
      ['.', 1],
      ['S.', -1],
      ['S.', 1],
      ['F.', -500],
      ['.', 0x7fffffff],
    ] as const) {
      const script = Script.synSent(base);
      script.take();
      script.arrive({ flags, seq: 777, ack });
      expect(script.take(), `${flags} ${ack}`).toEqual([`R ${ack}:${ack}`]);
      expect(script.state).toBe(TcpState.SYN_SENT);
    }
  });

  it('ignores a reset that does not acknowledge its SYN (RFC5961-3.2-4)', () => {
    const script = Script.synSent(base);
    script.take();
    for (const [flags, ack] of [
      ['R', 0],
      ['R.', -1],
      ['R.', 1],
    ] as const) {
      expect(script.arrive({ flags, seq: 0, ack })).toBe(0);
      expect(script.take()).toEqual([]);
      expect(script.state).toBe(TcpState.SYN_SENT);
    }
  });

  it('is refused by a reset that acknowledges its SYN', () => {
    const script = Script.synSent(base);
    script.take();
    const disposition = script.arrive({ flags: 'R.', seq: 0, ack: 0 });
    expect(disposition & Disposition.REFUSED).not.toBe(0);
    expect(script.state).toBe(TcpState.CLOSED);
    expect(script.take()).toEqual([]);
    expect(script.tcp.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('drops what has neither SYN nor RST', () => {
    const script = Script.synSent(base);
    script.take();
    for (const flags of ['', '.', 'F.', 'P.']) script.arrive({ flags, seq: 0, ack: 0, length: 10 });
    expect(script.take()).toEqual([]);
    expect(script.state).toBe(TcpState.SYN_SENT);
  });

  it('opens simultaneously (3.5, figure 8): SYN-ACK with the same ISS, then ESTABLISHED', () => {
    const script = Script.synSent(base);
    script.take();
    script.arrive({ flags: 'S', seq: -1, mss: 1460 });
    expect(script.take()).toEqual(['S. -1:-1 ack 0']);
    expect(script.state).toBe(TcpState.SYN_RECEIVED);
    // The peer's SYN-ACK repeats its SYN; its ACK of ours completes the opening, and is answered once.
    const disposition = script.arrive({ flags: 'S.', seq: -1, ack: 0 });
    expect(script.state).toBe(TcpState.ESTABLISHED);
    expect(disposition & Disposition.ESTABLISHED).not.toBe(0);
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    script.arrive({ length: 10 });
    expect(script.delivered).toBe(10);
  });

  it('completes a simultaneous open by a bare ACK as well', () => {
    const script = Script.synSent(base);
    script.arrive({ flags: 'S', seq: -1, mss: 1460 });
    script.take();
    const disposition = script.arrive({ seq: 0, ack: 0 });
    expect(script.state).toBe(TcpState.ESTABLISHED);
    expect(disposition & Disposition.ESTABLISHED).not.toBe(0);
    expect(script.take()).toEqual([]);
  });

  it('takes the SYN-ACK of another SYN for no completion of a simultaneous open', () => {
    const script = Script.synSent(base);
    script.arrive({ flags: 'S', seq: -1, mss: 1460 });
    script.take();
    script.arrive({ flags: 'S.', seq: -2, ack: 0 });
    expect(script.state).toBe(TcpState.SYN_RECEIVED);
    expect(script.take()).toEqual(['. 0:0 ack 0']);
  });

  it('retransmits the SYN after 1, 2, 4 … s and gives up at the limit (RFC 6298 2.1, 5.5; RFC 9293 3.8.3 R2)', () => {
    const script = Script.synSent({ ...base, parameters: { maximumSynRetransmissions: 3 } });
    script.take();
    script.runTo(14_999);
    expect(script.takeTimed()).toEqual(['1000 S -1:-1', '3000 S -1:-1', '7000 S -1:-1']);
    expect(script.takeSeen()).toBe(Disposition.NEIGHBOR_IN_DOUBT); // R1, as for data (MUST-22)
    script.runTo(15_000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
    expect(script.take()).toEqual([]);
  });

  it('tries for three minutes by default (MUST-23)', () => {
    const script = Script.synSent(base);
    script.runTo(180_000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
    script.runTo(190_000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
  });

  it('CLOSE forgets the opening; ABORT sends nothing (3.10.4, 3.10.5)', () => {
    for (const end of [closeSend, abort]) {
      const script = Script.synSent(base);
      script.take();
      end(script.tcp, script.cb);
      expect(script.state).toBe(TcpState.CLOSED);
      expect(script.run(10_000).take()).toEqual([]);
    }
  });
});

describe.each(SEQUENCE_BASES)('SYN-RECEIVED (RFC 9293 3.10.7.4), ISS %i IRS %i', (iss, irs) => {
  const base = { iss, irs };
  const make = () => {
    const script = Script.synReceived(base);
    expect(script.take()).toEqual(['S. -1:-1 ack 0']);
    expect(script.state).toBe(TcpState.SYN_RECEIVED);
    return script;
  };

  it('enters ESTABLISHED by the ACK of its SYN, with or without text or FIN', () => {
    for (const [flags, length, next] of [
      ['.', 0, TcpState.ESTABLISHED],
      ['P.', 100, TcpState.ESTABLISHED],
      ['F.', 100, TcpState.CLOSE_WAIT],
    ] as const) {
      const script = make();
      const disposition = script.arrive({ flags, ack: 0, length });
      expect(script.state).toBe(next);
      expect(script.delivered).toBe(length);
      expect(disposition & Disposition.ESTABLISHED).not.toBe(0);
    }
  });

  it('repeats the SYN-ACK for a SYN that comes again', () => {
    const script = make();
    script.arrive({ flags: 'S', seq: -1 });
    expect(script.take()).toEqual(['S. -1:-1 ack 0']);
    expect(script.state).toBe(TcpState.SYN_RECEIVED);
  });

  it('challenges another SYN; a peer that has begun anew answers with a reset (3.10.7.4 fourth, RFC 5961 4.2)', () => {
    const script = make();
    script.arrive({ flags: 'S', seq: 500 });
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    expect(script.state).toBe(TcpState.SYN_RECEIVED);
    expect(script.arrive({ flags: 'R', seq: 0 }) & Disposition.REFUSED).not.toBe(0);
  });

  it('answers an ACK of what it did not send with a reset <SEQ=SEG.ACK>, and stays', () => {
    for (const ack of [-1, 1, -70_000, 0x7fffffff]) {
      const script = make();
      script.arrive({ ack });
      expect(script.take(), `ack ${ack}`).toEqual([`R ${ack}:${ack}`]);
      expect(script.state).toBe(TcpState.SYN_RECEIVED);
    }
  });

  it('is refused by a reset at RCV.NXT, and only there (RFC 5961 3.2)', () => {
    const script = make();
    script.arrive({ flags: 'R', seq: -1 });
    expect(script.take()).toEqual([]);
    script.arrive({ flags: 'R', seq: 1 });
    expect(script.take()).toEqual(['. 0:0 ack 0']);
    expect(script.state).toBe(TcpState.SYN_RECEIVED);
    const disposition = script.arrive({ flags: 'R', seq: 0 });
    expect(disposition & Disposition.REFUSED).not.toBe(0);
    expect(script.state).toBe(TcpState.CLOSED);
    expect(script.run(10_000).take()).toEqual([]);
  });

  it('retransmits the SYN-ACK and takes the late ACK', () => {
    const script = make();
    script.runTo(1000);
    expect(script.takeTimed()).toEqual(['1000 S. -1:-1 ack 0']);
    script.arrive({ ack: 0 });
    expect(script.state).toBe(TcpState.ESTABLISHED);
    expect(script.run(5000).take()).toEqual([]);
  });

  it('CLOSE waits for the handshake and then sends FIN; ABORT sends a reset (3.10.4, 3.10.5)', () => {
    const closing = make();
    closing.close();
    expect(closing.state).toBe(TcpState.SYN_RECEIVED);
    expect(closing.take()).toEqual([]);
    closing.arrive({ ack: 0 });
    expect(closing.state).toBe(TcpState.FIN_WAIT_1);
    expect(closing.take()).toEqual(['F. 0:0 ack 0']);

    const aborting = make();
    abort(aborting.tcp, aborting.cb);
    expect(aborting.take()).toEqual(['R. 0:0 ack 0']);
    expect(aborting.state).toBe(TcpState.CLOSED);
  });
});

describe('options of the handshake', () => {
  const all = { flags: ALL_OPTIONS, receiveBuffer: 1 << 20, receiveScale: 7 };

  it('offers all, and keeps those that the peer has too (RFC 7323 1.3, RFC 2018 2)', () => {
    for (const [answer, kept] of [
      [{ scale: 3, sackOk: true, ts: [900, 0] as const }, ALL_OPTIONS],
      [{ scale: 3, ts: null }, TcpConstantFlag.WINDOW_SCALING_ENABLED],
      [{ sackOk: true, ts: null }, TcpConstantFlag.SACK_ENABLED],
      [{ ts: [900, 0] as const }, TcpConstantFlag.TIMESTAMP_ENABLED],
      [{ ts: null }, 0],
    ] as const) {
      const script = Script.synSent(all);
      const syn = script.takeSegments()[0].header;
      expect([syn.maximumSegmentSize, syn.windowScale, syn.sackPermitted, syn.hasTimestamp]).toEqual([
        1460,
        7,
        true,
        true,
      ]);
      expect([syn.window, syn.timestampEcho]).toEqual([65_535, 0]);
      script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1400, ...answer });
      expect(script.cb.constant.flags).toBe(kept);
      const ack = script.takeSegments()[0].header;
      expect(ack.hasTimestamp).toBe((kept & TcpConstantFlag.TIMESTAMP_ENABLED) !== 0);
      expect(ack.windowScale).toBe(-1);
      const scale = kept & TcpConstantFlag.WINDOW_SCALING_ENABLED ? 7 : 0;
      expect(ack.window << scale).toBe(scale === 0 ? 65_535 : 1 << 20);
      expect(script.cb.constant.sndWindScale).toBe(scale === 0 ? 0 : 3);
      expect(script.cb.constant.remoteMss).toBe(1400);
    }
  });

  it('answers with what the SYN has and it supports itself (RFC7323-2.2-2)', () => {
    const script = Script.synReceived({ ...all, flags: TcpConstantFlag.WINDOW_SCALING_ENABLED, sendScale: 14 });
    const answer = script.takeSegments()[0].header;
    expect([answer.windowScale, answer.sackPermitted, answer.hasTimestamp]).toEqual([7, false, false]);
    expect(script.cb.constant.sndWindScale).toBe(14);
  });

  it('reads the window of a SYN without its scale, and those after it with (RFC7323-2.2-3)', () => {
    const script = Script.synReceived({ ...all, sendScale: 5, window: 1000 });
    expect(script.cb.delegated.sndWnd).toBe(1000);
    script.arrive({ ack: 0, window: 1000 });
    expect(script.cb.delegated.sndWnd).toBe(32_000);
  });

  it('takes 1220 from a peer over IPv6 that announces no MSS (RFC 9293 3.7.1, MUST-15)', () => {
    const script = Script.synSent({ family: 6 });
    script.arrive({ flags: 'S.', seq: -1, ack: 0, ts: null });
    expect([script.cb.sendMss, script.cb.constant.remoteMss]).toEqual([1220, 1220]);
  });

  it('takes 536 from a peer that announces no MSS (RFC 9293 3.7.1, MUST-15)', () => {
    const script = Script.synSent();
    script.arrive({ flags: 'S.', seq: -1, ack: 0 });
    expect(script.cb.sendMss).toBe(536);
  });

  it('has an RTO of 3 s for data after a SYN was lost and nothing was measured (RFC6298-5.7)', () => {
    const script = Script.synSent();
    script.runTo(1000).take();
    script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460 });
    script.send(100);
    expect(script.takeTimed()).toEqual(['1000 . 0:0 ack 0', '1000 P. 0:100 ack 0']);
    script.runTo(3999);
    expect(script.take()).toEqual([]);
    script.runTo(4000);
    expect(script.takeTimed()).toEqual(['4000 P. 0:100 ack 0']);
  });

  it('measures over a lost SYN when timestamps tell which one was answered (RFC 7323 4)', () => {
    const script = Script.synSent(all);
    const value = script.takeSegments()[0].header.timestampValue;
    script.runTo(1050).take();
    script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460, scale: 0, sackOk: true, ts: [1, value + 1000] });
    expect(script.cb.rtt.srtt).toBe(50_000);
  });

  it('keeps the initial window after one lost SYN, and has one segment after two (RFC 6928 2, RFC5681-3.1-4)', () => {
    for (const [lost, window] of [
      [0, 14_600],
      [1, 14_600],
      [2, 1460],
    ]) {
      const script = Script.synSent();
      script.runTo([0, 1000, 3000][lost]);
      script.arrive({ flags: 'S.', seq: -1, ack: 0, mss: 1460 });
      expect(script.cb.delegated.cWnd).toBe(window);
    }
  });
});
