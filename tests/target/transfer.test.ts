/** Data both ways over an offloaded connection: sends, receives, forwards, the ordinary path. */
import { describe, expect, it } from 'vitest';
import { netBufferListOf } from '../../src/ndis/index.ts';
import { TcpFlag } from '../../src/wire/index.ts';
import { Bench, LOCAL, offloaded, pattern, RCV, REMOTE, SND, tcpState } from './bench.ts';

describe('sends', () => {
  it('go out in order from IP identification 0x8000 up with DF, and complete when acknowledged (SEND-02, SEND-08, IPID-01, IPID-04)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(100), pattern(50, 100));
    const [first, second] = bench.takeSent();
    expect(first.sequence).toBe(SND);
    expect([...first.payload, ...(second?.payload ?? [])]).toEqual([...pattern(150)]);
    expect(first.identification).toBeGreaterThanOrEqual(0x8000);
    expect(first.dontFragment).toBe(true);
    expect(first.destinationMac).toBe(REMOTE.mac.toString());
    expect(bench.takeLog()).toEqual([]);
    bench.peer({ acknowledgment: SND + 120 });
    expect(bench.takeLog()).toEqual(['send SUCCESS 100']);
    bench.peer({ acknowledgment: SND + 150 });
    expect(bench.takeLog()).toEqual(['send SUCCESS 50']);
  });

  it('identifications stay in the upper half when they wrap (IPID-01)', () => {
    const { bench, tree } = offloaded();
    const seen = new Set<number>();
    let acknowledged = SND;
    for (let round = 0; round < 33_000; round += 1) {
      // Old text is acknowledged every time, unlike empty segments (RFC 5961 section 7).
      bench.link.onReceive(bench.peerFrame({ sequence: RCV - 1, payload: pattern(1) }));
      if (round % 100 === 99) {
        bench.run();
        for (const sent of bench.takeSent()) seen.add(sent.identification);
      }
    }
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(0x8000);
    expect(Math.max(...seen)).toBeLessThanOrEqual(0xffff);
    expect(seen.size).toBe(0x8000);
    acknowledged += 3;
    bench.send(tree.tcp, pattern(3));
    bench.peer({ acknowledgment: acknowledged });
    expect(bench.takeLog()).toEqual(['send SUCCESS 3']);
  });

  it('a list with several buffers completes as one (SEND-24)', () => {
    const { bench, tree } = offloaded();
    const list = netBufferListOf(pattern(10));
    list.firstNetBuffer.next = netBufferListOf(pattern(20, 10)).firstNetBuffer;
    bench.binding.offloadTcpSend(tree.tcp, list);
    bench.run();
    const sent = bench.takeSent().flatMap((segment) => [...segment.payload]);
    expect(sent).toEqual([...pattern(30)]);
    bench.peer({ acknowledgment: SND + 30 });
    expect(bench.takeLog()).toEqual(['send SUCCESS 30']);
  });

  it('use the cached TTL and traffic class and respect MSS and path MTU (STATE-17, STATE-18)', () => {
    const state = tcpState(({ cached, constant }) => {
      cached.ttlOrHopLimit = 17;
      cached.tosOrTrafficClass = 0x28;
      constant.remoteMss = 500;
    });
    const { bench, tree } = offloaded({}, state);
    bench.send(tree.tcp, pattern(1200));
    const sent = bench.takeSent();
    expect(sent.map((segment) => segment.payload.length)).toEqual([500, 500, 200]);
    expect(sent.every((segment) => segment.ttl === 17 && segment.typeOfService === 0x28)).toBe(true);
  });

  it('an RST completes them with REQUEST_ABORTED and indicates the abort (EVT-03, EVT-04, SEND-11)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(100));
    bench.post(tree.tcp, 10);
    bench.peer({ acknowledgment: SND + 40 });
    bench.takeLog();
    bench.peer({ sequence: RCV, flags: TcpFlag.RST });
    expect(bench.takeLog()).toEqual(['send REQUEST_ABORTED 40', 'receive REQUEST_ABORTED 0', 'event abort']);
    bench.takeSent();
    // DISC-16, NSP-05: the context stays; what arrives goes up the ordinary path, and no RST answers it (DISC-03).
    bench.peer({ payload: pattern(5) });
    expect(bench.takeLog()).toEqual(['ordinary']);
    expect(bench.takeSent()).toEqual([]);
    bench.send(tree.tcp, pattern(3));
    expect(bench.takeLog()).toEqual(['send REQUEST_ABORTED 0']);
    expect(bench.terminateTcp(tree.tcp).state.delegated?.state).toBe(0);
  });
});

describe('receives', () => {
  it('without a request data is indicated, and the lists come back (RECV-14, RECV-35…37, RECV-45)', () => {
    const { bench } = offloaded();
    bench.peer({ payload: pattern(100) });
    expect(bench.takeLog()).toEqual(['indicate 100 take 100']);
    expect(bench.received).toEqual([...pattern(100)]);
    bench.returnAll();
  });

  it('goes into posted requests first (RECV-05, RECV-31)', () => {
    const { bench, tree } = offloaded();
    bench.post(tree.tcp, 60);
    bench.peer({ payload: pattern(100) });
    expect(bench.takeLog()).toEqual(['receive SUCCESS 60', 'indicate 40 take 40']);
    expect(bench.received).toEqual([...pattern(100)]);
  });

  it('refused data is buffered, narrows the window, and is placed when posted (RECV-22, RECV-24)', () => {
    const { bench, tree } = offloaded();
    bench.accept = () => 0;
    bench.peer({ payload: pattern(1000), flags: TcpFlag.ACK | TcpFlag.PSH });
    bench.peer({ sequence: RCV + 1000, payload: pattern(1000, 1000), flags: TcpFlag.ACK | TcpFlag.PSH });
    expect(bench.takeLog()).toEqual(['indicate 1000 take 0']);
    bench.elapse(100_000);
    expect(bench.takeSent().at(-1)?.window).toBe(65535 - 2000);
    bench.post(tree.tcp, 1500);
    // The post allows an indication again; what is left is refused once more.
    expect(bench.takeLog()).toEqual(['receive SUCCESS 1500', 'indicate 500 take 0']);
    bench.post(tree.tcp, 4000);
    expect(bench.takeLog()).toEqual(['receive SUCCESS 500']);
    expect(bench.received).toEqual([...pattern(2000)]);
  });

  it('a non-push request larger than the window fills up (RECV-19)', () => {
    const { bench, tree } = offloaded();
    bench.post(tree.tcp, 100_000, true);
    let sequence = RCV;
    for (let index = 0; index < 100; index += 1) {
      bench.peer({ sequence, payload: pattern(1000, index * 1000), flags: TcpFlag.ACK | TcpFlag.PSH });
      sequence += 1000;
    }
    expect(bench.takeLog()).toEqual(['receive SUCCESS 100000']);
    expect(bench.received).toEqual([...pattern(100_000)]);
  });

  it('the push timer completes a partial request after TcpPushTicks (TMR-PUSH-01, RECV-23)', () => {
    const { bench, tree } = offloaded();
    bench.post(tree.tcp, 100);
    bench.peer({ payload: pattern(10) });
    bench.elapse(499_000);
    expect(bench.takeLog()).toEqual([]);
    bench.elapse(2_000);
    expect(bench.takeLog()).toEqual(['receive SUCCESS 10']);
  });

  it('a FIN ends the receive half behind the data; sending goes on (EVT-01, EVT-02, decision 15, RECV-30)', () => {
    const { bench, tree } = offloaded();
    bench.post(tree.tcp, 100);
    bench.peer({ payload: pattern(10), flags: TcpFlag.ACK | TcpFlag.FIN });
    expect(bench.takeLog()).toEqual(['receive SUCCESS 10', 'event disconnect']);
    bench.post(tree.tcp, 100);
    expect(bench.takeLog()).toEqual(['receive INVALID_STATE 0']);
    bench.takeSent();
    bench.send(tree.tcp, pattern(20));
    expect(bench.takeSent()[0]?.payload.length).toBe(20);
  });
});

describe('forwarded segments', () => {
  it('are processed like those from the wire (FWD-01, FWD-06, FWD-08)', () => {
    const { bench, tree } = offloaded();
    const frame = bench.peerFrame({ payload: pattern(50) });
    bench.binding.offloadTcpForward(tree.tcp, netBufferListOf(frame.slice(34)));
    bench.run();
    expect(bench.takeLog()).toEqual(['indicate 50 take 50', 'forward SUCCESS']);
    expect(bench.received).toEqual([...pattern(50)]);
    bench.elapse(100_000);
    expect(bench.takeSent().at(-1)?.acknowledgment).toBe(RCV + 50);
  });
});

describe('the ordinary path', () => {
  it('takes everything that is not a plain segment of an offloaded connection (NSP-01…03, STAT-16)', () => {
    const { bench } = offloaded();
    const corrupt = bench.peerFrame({ payload: pattern(10) });
    corrupt[corrupt.length - 1] ^= 1;
    const fragment = bench.peerFrame({ payload: pattern(10) });
    fragment[20] = 0x20;
    const arp = bench.peerFrame({});
    arp[12] = 0x08;
    arp[13] = 0x06;
    const other = bench.peerFrame({ remotePort: 4001 });
    for (const frame of [corrupt, fragment, arp, other]) bench.link.onReceive(frame);
    bench.run();
    expect(bench.takeLog()).toEqual(['ordinary', 'ordinary', 'ordinary', 'ordinary']);
    expect(bench.ordinary).toEqual([corrupt, fragment, arp, other]);
    expect(bench.takeSent()).toEqual([]);
  });

  it('drops frames for other stations', () => {
    const bench = new Bench();
    bench.peer({ destinationMac: REMOTE.mac });
    expect(bench.takeLog()).toEqual([]);
    expect(bench.target.drops).toEqual({ 'ethernet-destination': 1 });
  });

  it('sends frames and completes their lists later', () => {
    const bench = new Bench();
    const frame = bench.peerFrame({});
    let works = 0;
    bench.target.onWork = () => {
      works += 1;
    };
    bench.binding.sendNetBufferLists(netBufferListOf(frame));
    expect(works).toBeGreaterThan(0);
    expect(bench.takeLog()).toEqual([]);
    bench.run();
    expect(bench.link.frames).toEqual([frame]);
    expect(bench.takeLog()).toEqual(['ordinary send complete']);
  });

  it('source MAC is that of the interface (STATE-19)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0]?.sourceMac).toBe(LOCAL.mac.toString());
  });
});
