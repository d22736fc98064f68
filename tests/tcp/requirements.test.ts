/** Requirements of RFC 9293 that no other test of the engine proves; the ids are those of spec/requirements.yaml. */
import { describe, expect, it } from 'vitest';
import { personalities } from '../../src/packetdrill/index.ts';
import { DEFAULT_TCP_PARAMETERS, Disposition, TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { TcpFlag } from '../../src/wire/tcp-header.ts';
import { ALL_OPTIONS, Pair, pattern } from './pair.ts';
import { Script } from './scripted.ts';

const AT_ONCE = { cached: { flags: 0 } };

describe('the header', () => {
  it('a window field is unsigned, and a scaled one needs all of 32 bits (MUST-1, REC-1)', () => {
    const plain = Script.established({ window: 0xffff });
    plain.arrive({ window: 0x8000 });
    expect(plain.cb.delegated.sndWnd).toBe(0x8000);
    const scaled = Script.established({ flags: TcpConstantFlag.WINDOW_SCALING_ENABLED, sendScale: 14, window: 0xffff });
    scaled.arrive({ window: 0xffff });
    expect([scaled.cb.delegated.sndWnd, scaled.cb.delegated.maxSndWnd]).toEqual([0x3fffc000, 0x3fffc000]);
    scaled.send(100_000);
    expect(scaled.take()).toHaveLength(10);
  });

  it('options of the handshake on other segments do no harm, and change nothing (MUST-5, RFC7323-2.2-1)', () => {
    const script = Script.established({ mss: 1000 });
    script.arrive({ length: 100, mss: 300, scale: 5, sackOk: true });
    expect(script.delivered).toBe(100);
    const { constant, sendMss } = script.cb;
    expect([sendMss, constant.remoteMss, constant.sndWindScale, constant.flags]).toEqual([1000, 1000, 0, 0]);
  });

  it.each([576, 1280, 1500, 9000])(
    'every SYN has an MSS option, of MTU %i as well, and nothing else has (MUST-14, MUST-65, SHLD-5, MAY-3)',
    (mtu) => {
      const pair = new Pair({ mtu }).open();
      pair.a.write(pattern(50_000));
      pair.b.write(pattern(50_000));
      pair.run(2_000_000);
      pair.a.close();
      pair.b.close();
      pair.run(2_000_000);
      const syns = pair.log.filter(({ header }) => header.flags & TcpFlag.SYN);
      expect(syns.map(({ header }) => header.maximumSegmentSize)).toEqual([mtu - 40, mtu - 40]);
      expect(pair.log.length).toBeGreaterThan(15);
      for (const { header } of pair.log) if (!(header.flags & TcpFlag.SYN)) expect(header.maximumSegmentSize).toBe(0);
    },
  );

  it('a reset may carry text, which is not delivered (SHLD-2)', () => {
    const script = Script.established();
    expect(script.arrive({ flags: 'R.', length: 50 }) & Disposition.RESET).not.toBe(0);
    expect([script.state, script.delivered, script.take()]).toEqual([TcpState.CLOSED, 0, []]);
  });
});

describe('a window that shrinks under what is outstanding', () => {
  /** 4 segments are out, one is acknowledged, and the window reaches 1000 bytes beyond it. */
  function shrunk(): Script {
    const script = Script.established({ window: 5840, ...AT_ONCE });
    script.send(5840);
    script.take();
    script.arrive({ ack: 1460, window: 1000 });
    return script;
  }

  it('lets no new data leave (SHLD-15)', () => {
    const script = shrunk();
    script.send(3000);
    script.run(150);
    expect(script.take()).toEqual([]);
  });

  it('lets old data within it be retransmitted as usual, and none beyond it (SHLD-16)', () => {
    const script = shrunk();
    script.run(1000);
    const resent = script.takeSegments().map(({ header, length }) => {
      const first = (header.sequence - script.iss - 1) | 0;
      return [first, first + length];
    });
    expect(resent.length).toBeGreaterThan(1);
    for (const range of resent) expect(range).toEqual([1460, 2460]);
  });

  it('ends nothing while the peer acknowledges what the window holds (SHLD-17, MUST-34, MUST-35)', () => {
    const script = shrunk();
    // A hundred bytes at a time, each after several retransmissions: in all far more than one segment may have.
    for (let acked = 1560; acked <= 3060; acked += 100) {
      script.run(5000);
      script.arrive({ ack: acked, window: 100 });
    }
    expect(script.tcp.statistics.timeouts).toBeGreaterThan(2 * script.tcp.parameters.maximumRetransmissions);
    // And then a window that is zero most of the time.
    for (let acked = 3061; acked < 3300; acked++) {
      script.arrive({ ack: Math.min(acked, script.sndMax), window: acked % 3 === 0 ? 1 : 0 });
      script.run(60_000);
    }
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
    script.take();
    script.arrive({ ack: 3300, window: 6000 });
    script.run(1000);
    script.arrive({ ack: 5840, window: 6000 });
    expect(script.acknowledgedBytes).toBe(5840);
  });
});

describe('times and counts by default', () => {
  it('a connection is given up after 100 seconds or more, and then for good (SHLD-11)', () => {
    const script = Script.established();
    script.send(100);
    script.runTo(100_000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
    script.runTo(2_000_000);
    expect(script.takeSeen() & Disposition.TIMED_OUT).not.toBe(0);
  });

  it('R1 is 3 retransmissions (SHLD-10)', () => {
    expect(DEFAULT_TCP_PARAMETERS.doubtReachabilityRetransmissions).toBe(3);
  });

  it.each(Object.values(personalities))(
    'an ACK waits for less than half a second, as $name (MUST-40, RFC5681-4.2-1)',
    ({ parameters }) => {
      const script = Script.established({ parameters: { ...parameters, quickAcks: 0 } });
      script.arrive({ length: 10 });
      expect(script.take()).toEqual([]);
      script.run(499);
      expect(script.take()).toEqual(['. 0:0 ack 10']);
    },
  );
});

describe('acknowledging', () => {
  it('what fills a gap is acknowledged with all that was queued behind it, at once (MUST-59)', () => {
    const script = Script.established({ reading: false });
    for (let i = 1; i <= 20; i++) script.arrive({ seq: i * 1460, length: 1460 });
    script.take();
    script.arrive({ seq: 0, length: 1460 });
    expect(script.take()).toEqual([`. 0:0 ack ${21 * 1460}`]);
    expect(script.run(1000).take()).toEqual([]);
  });

  it('no segment is answered by more than one ACK, whatever it is (RFC5681-4.2-2)', () => {
    const script = Script.established({ flags: ALL_OPTIONS, receiveBuffer: 1 << 20, reading: false });
    for (const segment of [
      { length: 1448 },
      { length: 1448 },
      { seq: 10_000, length: 1448 },
      { seq: 10_000, length: 1448 },
      { seq: 0, length: 100 },
      { seq: 2896, length: 7104 },
      { length: 60_000 },
      { seq: -500 },
      { flags: 'S', seq: 500 },
      { flags: 'R', seq: script.rcvNxt + 80_000 },
      { flags: 'U.', length: 10, urgent: 10 },
      { flags: 'F.', length: 10 },
      { flags: 'F.', seq: 0 },
    ]) {
      script.arrive(segment);
      expect(script.take().length, JSON.stringify(segment)).toBeLessThanOrEqual(1);
    }
  });
});

describe('timestamps', () => {
  it('an echo in a segment without ACK measures nothing (RFC7323-3.2-2)', () => {
    const script = Script.synSent({ flags: TcpConstantFlag.TIMESTAMP_ENABLED });
    const [syn] = script.takeSegments();
    script.run(50);
    script.arrive({ flags: 'S', seq: -1, mss: 1460, ts: [77, syn.header.timestampValue] });
    expect(script.state).toBe(TcpState.SYN_RECEIVED);
    expect([script.cb.rtt.srtt, script.cb.delegated.tsRecent]).toEqual([0, 77]);
  });
});
