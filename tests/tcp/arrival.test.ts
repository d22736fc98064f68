import { describe, expect, it } from 'vitest';
import { Disposition, TcpState } from '../../src/tcp/index.ts';
import { Script, SEQUENCE_BASES } from './scripted.ts';

const S = TcpState;
/** The synchronized states; the ACK that the peer would send; RCV.NXT after the way there. */
const SYNCHRONIZED = [
  S.ESTABLISHED,
  S.FIN_WAIT_1,
  S.FIN_WAIT_2,
  S.CLOSE_WAIT,
  S.CLOSING,
  S.LAST_ACK,
  S.TIME_WAIT,
] as const;
const NAMES = Object.fromEntries(Object.entries(S).map(([name, value]) => [value, name.replaceAll('_', '-')]));
/** Our FIN is outstanding here: SND.UNA 0, SND.MAX 1. */
const FIN_OUTSTANDING: readonly TcpState[] = [S.FIN_WAIT_1, S.CLOSING, S.LAST_ACK];
/** The peer's FIN has not arrived: text is taken here. */
const RECEIVING: readonly TcpState[] = [S.ESTABLISHED, S.FIN_WAIT_1, S.FIN_WAIT_2];

for (const [iss, irs] of SEQUENCE_BASES) {
  const base = { iss, irs, receiveBuffer: 1000 };

  describe.each(SYNCHRONIZED.map((state) => [NAMES[state], state] as const))(
    `%s, ISS ${iss} IRS ${irs}`,
    (_, state) => {
      const make = () => Script.inState(state, base);
      const receiving = RECEIVING.includes(state);
      /** The bare ACK that answers what is not acceptable: SND.NXT and RCV.NXT. */
      const answer = (script: Script) => `. ${script.sndMax}:${script.sndMax} ack ${script.rcvNxt}`;

      it('RFC 9293 3.10.7.4 first: answers what lies outside of the window with an ACK, and drops it', () => {
        for (const [offset, length] of [
          [-1, 0],
          [-1, 1],
          [-500, 500],
          [1000, 1],
          [1001, 0],
          [5000, 10],
          [-70_000, 5],
          [0x7fffffff, 1],
        ]) {
          const script = make();
          const wnd = script.cb.delegated.rcvWnd;
          // The table is for a window of 1000; after a FIN it is one byte smaller.
          const seq = script.rcvNxt + (offset >= 1000 ? offset - 1000 + wnd : offset);
          script.arrive({ seq, length, ack: script.sndUna });
          expect(script.take(), `${offset} ${length}`).toEqual([answer(script)]);
          expect(script.delivered).toBe(0);
          expect(script.state).toBe(state);
          expect(script.takeSeen() & Disposition.ACCEPTED).toBe(0);
        }
      });

      it('takes text at the edges of the window where it may, trims it, and never beyond (3.10.7.4 first, seventh)', () => {
        for (const [offset, length, taken] of [
          [0, 1, 1],
          [0, 999, 999],
          [-10, 20, 10],
          [0, 5000, 1000],
          [-999, 1000, 1],
        ]) {
          const script = make();
          const wnd = script.cb.delegated.rcvWnd;
          script.arrive({ seq: script.rcvNxt + offset, length });
          expect(script.delivered, `${offset} ${length}`).toBe(receiving ? Math.min(taken, wnd) : 0);
          expect(script.state).toBe(state);
        }
      });

      it('holds text at the last byte of the window, out of order (3.10.7.4, SHLD-31)', () => {
        const script = make();
        const wnd = script.cb.delegated.rcvWnd;
        script.arrive({ seq: script.rcvNxt + wnd - 1, length: 3 });
        expect(script.delivered).toBe(0);
        script.arrive({ length: wnd - 1 });
        expect(script.delivered).toBe(receiving ? wnd : 0);
      });

      it('RFC5961-3.2-1, RST-02: a reset at RCV.NXT ends the connection and is not answered', () => {
        for (const flags of ['R', 'R.']) {
          const script = make();
          const disposition = script.arrive({ flags });
          expect(script.take()).toEqual([]);
          expect(script.state).toBe(S.CLOSED);
          expect(disposition & (Disposition.RESET | Disposition.CLOSED)).toBe(
            state === S.TIME_WAIT ? Disposition.CLOSED : Disposition.RESET,
          );
          expect(script.tcp.nextDeadline(), 'no timer is left').toBe(Number.POSITIVE_INFINITY);
        }
      });

      it('RFC5961-3.2-2, RFC5961-3.2-3, RST-01, RST-03: a reset elsewhere in the window is challenged once, outside of it ignored', () => {
        const script = make();
        const wnd = script.cb.delegated.rcvWnd;
        for (const offset of [-1, wnd, wnd + 1, -60_000, 0x7fffffff]) {
          expect(script.arrive({ flags: 'R', seq: script.rcvNxt + offset })).toBe(0);
          expect(script.take(), `offset ${offset}`).toEqual([]);
        }
        script.arrive({ flags: 'R', seq: script.rcvNxt + wnd - 1 });
        expect(script.take()).toEqual([answer(script)]);
        script.arrive({ flags: 'R', seq: script.rcvNxt + 1 });
        expect(script.take()).toEqual([]);
        expect(script.state).toBe(state);
      });

      it('RFC 5961 7: an empty segment outside of the window is answered once in half a second, text always', () => {
        const script = make();
        script.arrive({ seq: script.rcvNxt - 20_000 });
        expect(script.take()).toEqual([answer(script)]);
        script.arrive({ seq: script.rcvNxt - 20_000 });
        // An answer to each would be an endless exchange with a peer that does the same.
        expect(script.take()).toEqual([]);
        script.arrive({ seq: script.rcvNxt - 20_000, length: 10 });
        expect(script.take()).toEqual([answer(script)]);
        script.tcp.setTime(script.tcp.now + 500_000);
        script.arrive({ seq: script.rcvNxt - 20_000 });
        expect(script.take()).toEqual([answer(script)]);
      });

      it('RFC5961-4.2-1, RST-04, RST-06: every SYN is answered with an ACK, inside of the window one in 3 s', () => {
        const script = make();
        // In TIME-WAIT a bare SYN may open a new connection: there, a SYN with ACK.
        const flags = state === S.TIME_WAIT ? 'S.' : 'S';
        for (let i = 0; i < 3; i++) {
          script.arrive({ flags, seq: script.rcvNxt - 20_000 });
          expect(script.take()).toEqual([answer(script)]);
        }
        script.arrive({ flags, seq: script.rcvNxt });
        expect(script.take()).toEqual([answer(script)]);
        script.arrive({ flags, seq: script.rcvNxt + 1 });
        expect(script.take()).toEqual([]);
        script.tcp.setTime(script.tcp.now + 3_000_000);
        script.arrive({ flags, seq: script.rcvNxt + 1 });
        expect(script.take()).toEqual([answer(script)]);
        expect(script.state).toBe(state);
      });

      it('takes no duplicate of the past for a duplicate ACK, and still takes the first ACK of something from it', () => {
        const script = make();
        const { dupAckCount } = script.cb.delegated;
        for (let i = 0; i < 5; i++) script.arrive({ seq: script.rcvNxt - 10, length: 5, ack: script.sndUna });
        expect(script.cb.delegated.dupAckCount).toBe(dupAckCount);
        expect(script.take()).toEqual(Array(5).fill(answer(script)));
        if (state === S.FIN_WAIT_1) {
          script.arrive({ seq: script.rcvNxt - 10, length: 5, ack: 1 });
          expect(script.state).toBe(S.FIN_WAIT_2);
        }
      });

      it('drops a segment without ACK (3.10.7.4 fifth: "if the ACK bit is off, drop the segment and return")', () => {
        const script = make();
        script.arrive({ flags: '', length: 10 });
        expect(script.take()).toEqual([]);
        expect(script.delivered).toBe(0);
      });

      it('RFC5961-5.2-1, MAY-12: an ACK of what was never sent, or older than MAX.SND.WND, is answered with an ACK and dropped', () => {
        const script = make();
        for (const ack of [script.sndMax + 1, script.sndMax + 0x7fffffff, script.sndUna - 65_536]) {
          script.arrive({ ack, length: 5 });
          expect(script.take(), `ack ${ack}`).toEqual([answer(script)]);
          expect(script.delivered).toBe(0);
          expect(script.state).toBe(state);
        }
      });

      it('RFC 5961 5.2: an old ACK within MAX.SND.WND is accepted and changes nothing', () => {
        const script = make();
        const una = script.sndUna;
        const disposition = script.arrive({ ack: una - 65_535 });
        expect(disposition & Disposition.ACCEPTED).not.toBe(0);
        expect(script.take()).toEqual([]);
        expect(script.sndUna).toBe(una);
        expect(script.state).toBe(state);
      });

      it('moves on by the ACK of its FIN (3.10.7.4 fifth)', () => {
        const script = make();
        const disposition = script.arrive({ ack: script.sndMax });
        const next: Partial<Record<TcpState, TcpState>> = {
          [S.FIN_WAIT_1]: S.FIN_WAIT_2,
          [S.CLOSING]: S.TIME_WAIT,
          [S.LAST_ACK]: S.CLOSED,
        };
        expect(script.state).toBe(next[state] ?? state);
        expect((disposition & Disposition.FIN_ACKNOWLEDGED) !== 0).toBe(FIN_OUTSTANDING.includes(state));
        expect((disposition & Disposition.TIME_WAIT) !== 0).toBe(state === S.CLOSING);
        expect((disposition & Disposition.CLOSED) !== 0).toBe(state === S.LAST_ACK);
        expect(script.take()).toEqual([]);
        if (state === S.LAST_ACK) expect(script.tcp.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
      });

      it('acknowledges a FIN in order at once and moves on (3.10.7.4 eighth)', () => {
        for (const length of [0, 100]) {
          const script = make();
          const disposition = script.arrive({ flags: 'F.', length });
          const next: Partial<Record<TcpState, TcpState>> = {
            [S.ESTABLISHED]: S.CLOSE_WAIT,
            [S.FIN_WAIT_1]: S.CLOSING,
            [S.FIN_WAIT_2]: S.TIME_WAIT,
          };
          expect(script.state).toBe(next[state] ?? state);
          expect((disposition & Disposition.PEER_CLOSED) !== 0).toBe(receiving);
          expect(script.delivered).toBe(receiving ? length : 0);
          if (receiving) expect(script.take()).toEqual([`. ${script.sndMax}:${script.sndMax} ack ${length + 1}`]);
        }
      });

      it('acknowledges a FIN again whose ACK was lost; in TIME-WAIT that starts 2 MSL anew (3.10.7.4 eighth)', () => {
        if (receiving) return expect(make().cb.finReceived).toBe(false);
        const script = make();
        script.tcp.setTime(script.tcp.now + 100_000);
        script.arrive({ flags: 'F.', seq: script.rcvNxt - 1, ack: script.sndUna });
        expect(script.take()).toEqual([answer(script)]);
        expect(script.state).toBe(state);
        if (state === S.TIME_WAIT) {
          script.run(59_999);
          expect(script.state).toBe(S.TIME_WAIT);
          script.run(1);
          expect(script.state).toBe(S.CLOSED);
          expect(script.take()).toEqual([]);
        }
      });

      it('takes ACK and RST, and no text, while its window is zero (RFC 9293 3.10.7.4 first, MUST-66)', () => {
        if (!receiving) return;
        const script = Script.inState(state, { ...base, reading: false });
        script.arrive({ length: 1000 });
        script.take();
        expect(script.cb.delegated.rcvWnd).toBe(0);
        script.arrive({ length: 1 });
        expect(script.take()).toEqual([answer(script)]);
        expect(script.delivered).toBe(1000);
        const accepted = script.arrive({ ack: script.sndMax });
        expect(accepted & Disposition.ACCEPTED).not.toBe(0);
        script.arrive({ flags: 'R', seq: script.rcvNxt + 1 });
        expect(script.take()).toEqual([]);
        script.arrive({ flags: 'R' });
        expect(script.state).toBe(S.CLOSED);
      });
    },
  );
}
