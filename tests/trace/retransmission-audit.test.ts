import { beforeEach, describe, expect, it } from 'vitest';
import { RetransmissionAudit, WireFate } from '../../src/trace/index.ts';
import {
  buildTcpFrame,
  FrameBuffers,
  type FrameRoute,
  IpAddress,
  MacAddress,
  type PayloadSource,
  TcpFlag,
  TcpHeader,
} from '../../src/wire/index.ts';

const { INTACT, LOST, DISTURBED } = WireFate;
const MAC = MacAddress.fromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1)).bytes;
const ENDS = {
  IPv4: [IpAddress.fromBytes(4, Uint8Array.of(192, 0, 2, 1)), IpAddress.fromBytes(4, Uint8Array.of(192, 0, 2, 2))],
  // They differ in the last word alone, whose sign bit is set in one of them.
  IPv6: [address6(0x7f), address6(0x80)],
} as const;
let [A, B] = ENDS.IPv4;
const ZEROS: PayloadSource = { copyTo: () => {} };
const buffers = new FrameBuffers();

function address6(last: number): IpAddress {
  return IpAddress.fromBytes(6, Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 1));
}

function route(from: IpAddress, to: IpAddress): FrameRoute {
  return {
    destination: MAC,
    source: MAC,
    vlanId: 0,
    userPriority: 0,
    sourceAddress: from,
    destinationAddress: to,
    ttl: 64,
    typeOfService: 0,
    flowLabel: 0,
  };
}

interface Segment {
  readonly from?: 'a' | 'b';
  readonly port?: number;
  readonly sequence?: number;
  readonly length?: number;
  readonly acknowledgment?: number;
  readonly flags?: number;
}

function frameOf({
  from = 'a',
  port = 5000,
  sequence = 0,
  length = 0,
  acknowledgment = 0,
  flags = 0,
}: Segment): Uint8Array {
  const header = new TcpHeader();
  header.sourcePort = from === 'a' ? port : 80;
  header.destinationPort = from === 'a' ? 80 : port;
  header.sequence = sequence | 0;
  header.acknowledgment = acknowledgment | 0;
  header.flags = flags | TcpFlag.ACK;
  const way = from === 'a' ? route(A, B) : route(B, A);
  return buildTcpFrame(buffers, way, 0, header, ZEROS, 0, length);
}

let audit: RetransmissionAudit;

beforeEach(() => {
  audit = new RetransmissionAudit();
});

function pass(segment: Segment, fate: WireFate = INTACT): void {
  audit.frame(frameOf(segment), fate);
}

describe.each(['IPv4', 'IPv6'] as const)('the audit of retransmissions over %s', (family) => {
  beforeEach(() => {
    [A, B] = ENDS[family];
  });

  it('sees none where every byte is sent once', () => {
    for (let i = 0; i < 10; i++) {
      pass({ sequence: i * 100, length: 100 });
      pass({ from: 'b', sequence: 7, acknowledgment: (i + 1) * 100 });
    }
    expect(audit.counts).toEqual({ total: 0, replacingLost: 0, explainedByWire: 0, causedByMoves: 0, unexplained: 0 });
    expect(audit.size).toBe(1);
  });

  it('explains what replaces a lost frame', () => {
    pass({ sequence: 0, length: 100 });
    pass({ sequence: 100, length: 100 }, LOST);
    pass({ sequence: 200, length: 100 });
    pass({ sequence: 100, length: 100 });
    expect(audit.counts).toMatchObject({ total: 1, replacingLost: 1, explainedByWire: 1 });
    // The second time nothing was lost: the flight explains it, but it replaces nothing.
    pass({ sequence: 100, length: 100 });
    expect(audit.counts).toMatchObject({ total: 2, replacingLost: 1, explainedByWire: 2 });
  });

  it('a lost retransmission is replaced by the next one', () => {
    pass({ sequence: 0, length: 100 }, LOST);
    pass({ sequence: 0, length: 100 }, LOST);
    pass({ sequence: 0, length: 100 });
    expect(audit.counts).toMatchObject({ total: 2, replacingLost: 2 });
  });

  it('explains a needless one by what happened to its flight: a lost acknowledgment, a delayed frame', () => {
    pass({ sequence: 0, length: 100 });
    pass({ from: 'b', acknowledgment: 100 }, LOST);
    pass({ sequence: 0, length: 100 });
    expect(audit.counts).toMatchObject({ total: 1, replacingLost: 0, explainedByWire: 1 });
    pass({ sequence: 100, length: 100 }, DISTURBED);
    pass({ sequence: 200, length: 100 });
    pass({ sequence: 200, length: 100 });
    expect(audit.counts).toMatchObject({ total: 2, replacingLost: 0, explainedByWire: 2, unexplained: 0 });
  });

  it('does not explain one by what happened to earlier flights', () => {
    pass({ sequence: 0, length: 100 }, LOST);
    pass({ sequence: 0, length: 100 });
    pass({ from: 'b', acknowledgment: 100 });
    pass({ sequence: 100, length: 100 });
    pass({ sequence: 100, length: 100 });
    expect(audit.counts).toEqual({
      total: 2,
      replacingLost: 1,
      explainedByWire: 1,
      causedByMoves: 0,
      unexplained: 1,
    });
  });

  it('blames a move when the wire did nothing, and only for the connection that moved', () => {
    pass({ sequence: 0, length: 100 });
    pass({ port: 6000, sequence: 0, length: 100 });
    audit.moved(5000);
    pass({ sequence: 0, length: 100 });
    pass({ port: 6000, sequence: 0, length: 100 });
    expect(audit.counts).toMatchObject({ total: 2, causedByMoves: 1, unexplained: 1 });
    expect(audit.size).toBe(2);
  });

  it('finds the connection by either port, and takes no port for the end of a longer one', () => {
    pass({ port: 80, sequence: 0, length: 100 });
    pass({ port: 1080, sequence: 0, length: 100 });
    audit.moved(1080);
    pass({ port: 80, sequence: 0, length: 100 });
    expect(audit.counts).toMatchObject({ total: 1, causedByMoves: 0, unexplained: 1 });
  });

  it('counts a partly new segment as a retransmission once', () => {
    pass({ sequence: 0, length: 100 });
    pass({ sequence: 50, length: 100 });
    pass({ sequence: 150, length: 100 });
    expect(audit.counts.total).toBe(1);
  });

  it('counts SYN and FIN as what they are: one place in sequence space each', () => {
    pass({ sequence: 0, flags: TcpFlag.SYN });
    pass({ sequence: 0, flags: TcpFlag.SYN });
    pass({ sequence: 1, flags: TcpFlag.FIN });
    pass({ sequence: 1, flags: TcpFlag.FIN });
    expect(audit.counts.total).toBe(2);
  });

  it('keeps both directions apart', () => {
    pass({ sequence: 0, length: 100 });
    pass({ from: 'b', sequence: 0, length: 100 });
    expect(audit.counts.total).toBe(0);
  });

  it('works where sequence numbers wrap', () => {
    for (const [port, wrap] of [
      [5000, 0x7fffffff],
      [6000, 0xffffffff],
    ]) {
      for (let at = wrap - 149; at < wrap + 200; at += 100) pass({ port, sequence: at, length: 100 });
    }
    expect(audit.counts.total).toBe(0);
    pass({ port: 5000, sequence: 0x7fffffff - 49, length: 100 });
    pass({ port: 6000, sequence: 0xffffffff - 49, length: 100 });
    expect(audit.counts.total).toBe(2);
  });

  it('counts resets', () => {
    pass({ flags: TcpFlag.RST });
    expect(audit.resets).toBe(1);
  });

  it('starts from scratch when addresses and ports are used again', () => {
    pass({ sequence: 1_000_000, length: 100 });
    const header = new TcpHeader();
    header.sourcePort = 5000;
    header.destinationPort = 80;
    header.sequence = 5;
    header.flags = TcpFlag.SYN;
    audit.frame(buildTcpFrame(buffers, route(A, B), 0, header, null, 0, 0), INTACT);
    pass({ sequence: 6, length: 100 });
    expect(audit.counts.total).toBe(0);
  });

  it('forgets what was acknowledged long ago, and then still explains and counts', () => {
    const segments = 20_000;
    for (let i = 0; i < segments; i++) {
      pass({ sequence: i * 10, length: 10 });
      pass({ from: 'b', acknowledgment: (i + 1) * 10 });
    }
    expect(audit.counts.total).toBe(0);
    pass({ sequence: (segments - 1) * 10, length: 10 });
    expect(audit.counts).toMatchObject({ total: 1, unexplained: 1 });
  });

  it('ignores what is no TCP', () => {
    audit.frame(new Uint8Array(0), LOST);
    audit.frame(new Uint8Array(60), LOST);
    const damaged = frameOf({ length: 10 }).subarray(0, 40);
    audit.frame(damaged, LOST);
    expect(audit.size).toBe(0);
  });
});
