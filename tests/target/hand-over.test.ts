/** What comes down with a connection and goes up again: send data, timers, timestamps (spec/algorithms.md 3–7, 11, 12). */
import { describe, expect, it } from 'vitest';
import { NdisStatus, type NetBufferList, netBufferListOf, netBufferListsOf } from '../../src/ndis/index.ts';
import { TcpCachedFlag, TcpConstantFlag, TcpState } from '../../src/tcp/index.ts';
import { TcpFlag } from '../../src/wire/index.ts';
import { Bench, bytesOfChain, handOverSends, newTree, offloaded, pattern, RCV, SND, tcpState } from './bench.ts';

/** The three lists of the test vector: 200+400, 400+400, 400+200 bytes. */
function vectorLists(): NetBufferList[] {
  const sizes = [
    [200, 400],
    [400, 400],
    [400, 200],
  ];
  let from = 0;
  return sizes.map((pair) =>
    netBufferListOf(
      pair.map((size) => {
        const bytes = pattern(size, from);
        from += size;
        return bytes;
      }),
    ),
  );
}

describe('send data hand-over (test vector of 12)', () => {
  for (const base of [1_000_000, 0xfffffe00 | 0]) {
    it(`with SND.UNA ${base >>> 0}: [SND.NXT, SND.MAX) first, then new data, [SND.UNA, SND.NXT) only if needed (SEND-18…22)`, () => {
      const bench = new Bench();
      const tree = newTree(
        tcpState(({ delegated }) => {
          delegated.sndUna = base;
          delegated.sndNxt = (base + 1000) | 0;
          delegated.sndMax = (base + 1600) | 0;
          delegated.retransmit.timeoutDelta = 400;
        }),
      );
      handOverSends(tree.tcpBlock, vectorLists());
      bench.initiate(tree.root);
      expect(bench.takeLog()).toEqual(['initiate SUCCESS']);
      const sent = bench.takeSent();
      expect(sent[0].sequence).toBe((base + 1000) | 0);
      const bytes = sent.flatMap((segment) => [...segment.payload]);
      expect(bytes).toEqual([...pattern(1000, 1000)]);
      bench.send(tree.tcp, pattern(30, 2000));
      expect(bench.takeSent()[0].sequence).toBe((base + 2000) | 0);
      bench.peer({ acknowledgment: (base + 600) | 0 });
      expect(bench.takeLog()).toEqual(['send SUCCESS 600']);
      bench.peer({ acknowledgment: (base + 2030) | 0 });
      expect(bench.takeLog()).toEqual(['send SUCCESS 800', 'send SUCCESS 600', 'send SUCCESS 30']);
    });
  }

  it('the retransmit timer goes on with what was left, and resends from SND.UNA (TMR-RTX-07)', () => {
    const bench = new Bench();
    const tree = newTree(
      tcpState(({ delegated }) => {
        delegated.sndNxt = (SND + 100) | 0;
        delegated.sndMax = (SND + 100) | 0;
        delegated.retransmit = { count: 1, timeoutDelta: 250 };
      }),
    );
    handOverSends(tree.tcpBlock, [netBufferListOf(pattern(100))]);
    bench.initiate(tree.root);
    bench.elapse(249_000);
    expect(bench.takeSent()).toEqual([]);
    bench.elapse(2_000);
    const [segment] = bench.takeSent();
    expect(segment.sequence).toBe(SND);
    expect(segment.payload).toEqual(pattern(100));
    const { state } = bench.terminateTcp(tree.tcp);
    expect(state.delegated?.retransmit.count).toBe(2);
  });

  it('a failed block leaves its lists and its location alone (INIT-23, CTX-03)', () => {
    const bench = new Bench();
    bench.target.refuseNext('tcp', NdisStatus.RESOURCES);
    const tree = newTree(
      tcpState(({ delegated }) => {
        delegated.sndNxt = (SND + 600) | 0;
        delegated.sndMax = (SND + 600) | 0;
      }),
    );
    const lists = vectorLists();
    handOverSends(tree.tcpBlock, lists);
    bench.initiate(tree.root);
    expect(tree.tcpBlock.status).toBe(NdisStatus.RESOURCES);
    expect(tree.tcp.miniportOffloadContext).toBeNull();
    expect([...netBufferListsOf(tree.tcpBlock.netBufferListChain)]).toEqual(lists);
    expect(bytesOfChain(lists[0]).length).toBe(2000);
    // The neighbor's own dependent, the path, was offloaded, in part (decision 2).
    expect(bench.takeLog()).toEqual(['initiate SUCCESS']);
    expect(bench.takeSent()).toEqual([]);
  });
});

describe('terminate', () => {
  it('hands unfinished sends back as a chain that begins at SND.UNA (TERM-19, TERM-20)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(600), pattern(800, 600), pattern(100, 1400));
    bench.peer({ acknowledgment: SND + 700 });
    bench.takeLog();
    const { block, state } = bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual(['terminate SUCCESS']);
    expect(bytesOfChain(block.netBufferListChain)).toEqual(pattern(800, 700));
    expect(state.delegated?.sndUna).toBe(SND + 700);
    expect(state.delegated?.sndMax).toBe(SND + 1500);
    expect(state.delegated?.sndNxt).toBe(SND + 1500);
    expect(state.sendDataHead).toBe(block.netBufferListChain);
    expect(state.delegated?.retransmit.timeoutDelta).toBeGreaterThan(0);
  });

  it('or completes all of them first (TERM-18, SEND-10, SEND-12, TERM-21)', () => {
    const { bench, tree } = offloaded({ sendHandBack: 'complete' });
    bench.send(tree.tcp, pattern(600), pattern(800, 600));
    bench.peer({ acknowledgment: SND + 700 });
    bench.takeLog();
    const { block, state } = bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual(['send UPLOAD_IN_PROGRESS 100', 'terminate SUCCESS']);
    expect(block.netBufferListChain).toBeNull();
    expect(state.delegated?.sndUna).toBe(SND + 700);
  });

  it('or does both: what was sent is in the chain, the newest lists complete (TERM-18, TERM-20)', () => {
    const { bench, tree } = offloaded(
      { sendHandBack: 'split' },
      tcpState(({ delegated }) => {
        delegated.sndWnd = 500;
      }),
    );
    bench.send(tree.tcp, pattern(300), pattern(300, 300), pattern(300, 600), pattern(300, 900));
    const { block, state } = bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual(['send UPLOAD_IN_PROGRESS 0', 'send UPLOAD_IN_PROGRESS 0', 'terminate SUCCESS']);
    expect(bytesOfChain(block.netBufferListChain)).toEqual(pattern(600));
    const sent = ((state.delegated?.sndMax ?? 0) - SND) | 0;
    expect(sent).toBeLessThanOrEqual(600);
  });

  it('sends the owed ACK first and returns refused data that ends at RCV.NXT (TERM-10, TERM-23, TERM-24)', () => {
    const { bench, tree } = offloaded();
    bench.accept = () => 0;
    bench.peer({ payload: pattern(400) });
    bench.takeSent();
    const { state, buffered } = bench.terminateTcp(tree.tcp);
    const sent = bench.takeSent();
    expect(sent.map((segment) => segment.acknowledgment)).toEqual([RCV + 400]);
    expect(buffered).toEqual(pattern(400));
    expect(state.delegated?.rcvNxt).toBe(RCV + 400);
  });

  it('completes receives and the disconnect with UPLOAD_IN_PROGRESS, sends before it (TERM-08, RECV-29, DISC-10, DISC-12)', () => {
    const { bench, tree } = offloaded();
    bench.post(tree.tcp, 50);
    bench.send(tree.tcp, pattern(100));
    bench.disconnect(tree.tcp, pattern(20, 100));
    bench.peer({ acknowledgment: SND + 30, payload: pattern(7) });
    const { state } = bench.terminateTcp(tree.tcp);
    expect(bench.takeLog()).toEqual([
      'receive UPLOAD_IN_PROGRESS 7',
      'send UPLOAD_IN_PROGRESS 30',
      'disconnect UPLOAD_IN_PROGRESS 0',
      'terminate SUCCESS',
    ]);
    expect(state.delegated?.state).toBe(TcpState.FIN_WAIT_1);
    expect(state.delegated?.sndMax).toBe(SND + 121);
  });

  it('afterwards segments go up the ordinary path (TERM-13), and path and neighbor can go (TERM-04, NBR-15)', () => {
    const { bench, tree } = offloaded();
    bench.terminateTcp(tree.tcp);
    bench.takeLog();
    bench.peer({ payload: pattern(5) });
    expect(bench.takeLog()).toEqual(['ordinary']);
    bench.terminate(tree.path, 0x08, null);
    bench.terminate(tree.neighbor, 0x04, null);
    expect(bench.takeLog()).toEqual(['terminate SUCCESS', 'terminate SUCCESS']);
    // The same handles can be used again.
    const again = newTree();
    bench.initiate(again.root);
    expect(bench.takeLog()).toEqual(['initiate SUCCESS']);
  });

  it('what the extension holds comes back, or is named as lost (decision 23)', () => {
    const ahead = { sequence: RCV + 100, payload: pattern(50, 100) };
    const known = offloaded();
    known.bench.peer(ahead);
    const { state } = known.bench.terminateTcp(known.tree.tcp);
    expect(state.extension?.outOfOrder.map(({ sequence }) => sequence)).toEqual([RCV + 100]);
    expect(state.extensionLost).toEqual([]);
    const unknown = offloaded({ supportsExtension: false });
    unknown.bench.peer(ahead);
    const lost = unknown.bench.terminateTcp(unknown.tree.tcp).state;
    expect(lost.extension).toBeNull();
    expect(lost.extensionLost).toContain('out-of-order bytes');
  });
});

describe('timers that travel', () => {
  it('persist: rounds and probes follow the test vector of 3 (TMR-PERSIST-01…05, TMR-PERSIST-08)', () => {
    const bench = new Bench({ parameters: { minimumRtoTicks: 100 } });
    // RTO 100: srtt 60, rttvar 10.
    const tree = newTree(
      tcpState(({ delegated }) => {
        delegated.sRtt = 480;
        delegated.rttVar = 40;
      }),
    );
    bench.initiate(tree.root);
    bench.peer({ window: 0 });
    bench.send(tree.tcp, pattern(10));
    const zero = { acknowledgment: SND, window: 0 };
    bench.takeSent();
    const times: number[] = [];
    const start = bench.now;
    const watch = (until: number): void => {
      while (bench.now < start + until) {
        bench.elapse(1000);
        if (bench.takeSent().some((segment) => segment.payload.length === 1)) times.push((bench.now - start) / 1000);
      }
    };
    watch(450_000);
    const [first, second, third] = times;
    const rto = second - first;
    expect(rto).toBe(first);
    expect(third - second).toBe(2 * rto);
    bench.peer(zero); // round 1: two RTO until the next probe, then one RTO again
    const answered = (bench.now - start) / 1000;
    times.length = 0;
    watch(1_000_000);
    expect(times[0] - answered).toBe(2 * rto);
    expect(times[1] - times[0]).toBe(rto);
    const { state } = bench.terminateTcp(tree.tcp);
    expect(state.delegated?.sndWndProbeCount).toBe(1);
    expect(state.delegated?.retransmit.count).toBeGreaterThan(0);
  });

  it('keepalive goes on with probe count and remaining ticks, and returns them (TMR-KA-07, TMR-KA-08)', () => {
    const { bench, tree } = offloaded(
      {},
      tcpState(({ cached, delegated }) => {
        cached.flags = TcpCachedFlag.KEEP_ALIVE_ENABLED;
        cached.kaTimeout = 5000;
        cached.kaInterval = 100;
        cached.kaProbeCount = 3;
        delegated.keepAlive = { probeCount: 1, timeoutDelta: 50 };
      }),
    );
    bench.elapse(51_000);
    expect(bench.takeSent()).toHaveLength(1);
    bench.elapse(60_000);
    const { state } = bench.terminateTcp(tree.tcp);
    expect(state.delegated?.keepAlive.probeCount).toBe(2);
    expect(state.delegated?.keepAlive.timeoutDelta).toBeLessThanOrEqual(41);
    expect(state.delegated?.retransmit.timeoutDelta).toBe(-1);
  });

  it('unanswered keepalive probes end in a request for the upload (TMR-KA-06, EVT-07)', () => {
    const { bench } = offloaded(
      {},
      tcpState(({ cached, delegated }) => {
        cached.flags = TcpCachedFlag.KEEP_ALIVE_ENABLED;
        cached.kaInterval = 100;
        cached.kaProbeCount = 2;
        delegated.keepAlive = { probeCount: 0, timeoutDelta: 10 };
        cached.kaTimeout = 10;
      }),
    );
    bench.elapse(1_000_000);
    expect(bench.takeLog()).toEqual(['event retrieve TIMEOUT_EXPIRATION']);
    expect(bench.takeSent()).toHaveLength(2);
  });

  it('FIN_WAIT_2 runs out: CLOSED and a request for the upload (TMR-FW2-04…06)', () => {
    const { bench, tree } = offloaded(
      {},
      tcpState(({ delegated }) => {
        delegated.state = TcpState.FIN_WAIT_2;
        delegated.retransmit.timeoutDelta = 300;
      }),
    );
    bench.elapse(299_000);
    expect(bench.takeLog()).toEqual([]);
    bench.elapse(2_000);
    expect(bench.takeLog()).toEqual(['event retrieve TIMEOUT_EXPIRATION']);
    expect(bench.terminateTcp(tree.tcp).state.delegated?.state).toBe(TcpState.CLOSED);
  });

  it('retransmissions that run out ask for the upload, state unchanged (TMR-RTX-01, TMR-RTX-02, decision 11)', () => {
    const { bench, tree } = offloaded({ parameters: { maximumRetransmissions: 2 } });
    bench.send(tree.tcp, pattern(10));
    bench.elapse(10_000_000);
    expect(bench.takeLog()).toEqual(['event retrieve TIMEOUT_EXPIRATION']);
    expect(bench.takeSent()).toHaveLength(3);
    // EVT-07: nothing is processed any more; what arrives is kept for the host.
    bench.peer({ acknowledgment: SND + 10 });
    const { state, block } = bench.terminateTcp(tree.tcp);
    expect(state.delegated?.state).toBe(TcpState.ESTABLISHED);
    expect(bytesOfChain(block.netBufferListChain)).toEqual(pattern(10));
    expect(bench.takeLog()).toEqual(['terminate SUCCESS', 'ordinary']);
  });
});

describe('timestamps (test vectors of 7)', () => {
  const withTimestamps = (tsTime: number): ReturnType<typeof tcpState> =>
    tcpState(({ constant, delegated }) => {
      constant.flags = TcpConstantFlag.TIMESTAMP_ENABLED;
      delegated.tsTime = tsTime;
      delegated.tsRecent = 7;
    });

  it('vector 1: NicDelta -100, timestamps 110 and 150, TsTime 150 (TS-01…03, STATE-13)', () => {
    const { bench, tree } = offloaded({ now: 200_000 }, withTimestamps(100));
    bench.elapse(10_000);
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].timestampValue).toBe(110);
    bench.elapse(5_000);
    bench.peer({ acknowledgment: SND + 1, timestampValue: 8, timestampEcho: 110 });
    bench.elapse(35_000);
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].timestampValue).toBe(150);
    expect(bench.terminateTcp(tree.tcp).state.delegated?.tsTime).toBe(150);
  });

  it('vector 2: a second offload with another drift, NicDelta 30 (TS-06)', () => {
    const { bench, tree } = offloaded({ now: 320_000 }, withTimestamps(350));
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].timestampValue).toBe(350);
    bench.elapse(5_000);
    bench.peer({ acknowledgment: SND + 1, timestampValue: 8, timestampEcho: 350 });
    expect(bench.terminateTcp(tree.tcp).state.delegated?.tsTime).toBe(355);
  });

  it('without the flag no segment carries one (STATE-13)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(1));
    expect(bench.takeSent()[0].hasTimestamp).toBe(false);
  });
});

describe('receive data that comes down', () => {
  it('is copied, waits for a post, and goes before newer data (INIT-27, RECV-44, TMR-PUSH-06)', () => {
    const bench = new Bench();
    const state = tcpState();
    const memory = pattern(30);
    state.bufferedData = netBufferListOf([memory.subarray(0, 10), memory.subarray(10)]);
    const tree = newTree(state);
    bench.initiate(tree.root);
    memory.fill(0xff); // the host frees its buffer
    bench.peer({ payload: pattern(10, 30) });
    expect(bench.takeLog()).toEqual(['initiate SUCCESS']);
    bench.post(tree.tcp, 20);
    expect(bench.takeLog()).toEqual(['receive SUCCESS 20', 'indicate 20 take 20']);
    expect(bench.received).toEqual([...pattern(40)]);
    bench.returnAll();
  });

  it('in CLOSE_WAIT the end is reported behind it (EVT-01)', () => {
    const bench = new Bench();
    const state = tcpState(({ delegated }) => {
      delegated.state = TcpState.CLOSE_WAIT;
    });
    state.bufferedData = netBufferListOf(pattern(5));
    const tree = newTree(state);
    bench.initiate(tree.root);
    bench.takeLog();
    bench.post(tree.tcp, 100);
    expect(bench.takeLog()).toEqual(['receive SUCCESS 5', 'event disconnect']);
  });
});

describe('disconnect', () => {
  it('graceful: data, FIN on the last segment, success when both are acknowledged (DISC-07, DISC-11, DISC-14)', () => {
    const { bench, tree } = offloaded();
    bench.disconnect(tree.tcp, pattern(10));
    const [segment] = bench.takeSent();
    expect(segment.flags & TcpFlag.FIN).toBe(TcpFlag.FIN);
    expect(segment.payload).toEqual(pattern(10));
    bench.peer({ acknowledgment: SND + 10 });
    expect(bench.takeLog()).toEqual([]);
    bench.peer({ acknowledgment: SND + 11 });
    expect(bench.takeLog()).toEqual(['disconnect SUCCESS 10']);
    // DISC-09: the other direction stays open.
    bench.peer({ acknowledgment: SND + 11, payload: pattern(4) });
    expect(bench.takeLog()).toEqual(['indicate 4 take 4']);
  });

  it('after both have closed the upload is requested from TIME_WAIT (TERM-29)', () => {
    const { bench, tree } = offloaded();
    bench.disconnect(tree.tcp, pattern(0));
    bench.peer({ acknowledgment: SND + 1 });
    bench.peer({ acknowledgment: SND + 1, flags: TcpFlag.ACK | TcpFlag.FIN });
    expect(bench.takeLog()).toEqual(['disconnect SUCCESS 0', 'event disconnect', 'event retrieve TIMEOUT_EXPIRATION']);
    // NSP-04: a new connection over it is for the host.
    bench.peer({ sequence: RCV + 5000, flags: TcpFlag.SYN });
    expect(bench.takeLog()).toEqual(['ordinary']);
    const { state } = bench.terminateTcp(tree.tcp);
    expect(state.delegated?.state).toBe(TcpState.TIME_WAIT);
    expect(state.delegated?.retransmit.timeoutDelta).toBeGreaterThan(0);
  });

  it('abortive: RST, open requests aborted, success; nothing received later is indicated (DISC-03…06)', () => {
    const { bench, tree } = offloaded();
    bench.send(tree.tcp, pattern(100));
    bench.post(tree.tcp, 10, true);
    bench.takeSent();
    bench.disconnect(tree.tcp, pattern(0), true);
    expect(bench.takeLog()).toEqual(['send REQUEST_ABORTED 0', 'receive REQUEST_ABORTED 0', 'disconnect SUCCESS 0']);
    const [reset] = bench.takeSent();
    expect(reset.flags & TcpFlag.RST).toBe(TcpFlag.RST);
    bench.peer({ payload: pattern(10) });
    expect(bench.takeLog()).toEqual(['ordinary']);
    expect(bench.takeSent()).toEqual([]);
  });

  it('what was received before the NIC heard of an abortive close is not indicated (DISC-04)', () => {
    const { bench, tree } = offloaded();
    bench.link.onReceive(bench.peerFrame({ payload: pattern(10) }));
    const list = netBufferListOf(new Uint8Array(0));
    bench.binding.offloadTcpDisconnect(tree.tcp, list, 2);
    bench.run();
    expect(bench.takeLog().filter((line) => line.startsWith('indicate'))).toEqual([]);
  });
});
