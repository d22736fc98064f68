/** Joining received segments: what comes out are the same bytes, in fewer frames, and nothing is joined that must not be. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CapturePort, Coalescer, Coalescing, CountingPort, ImpairedPort, type LinkPort } from '../../src/link/index.ts';
import {
  buildTcpFrame,
  DropReason,
  EthernetHeader,
  EtherType,
  FrameBuffers,
  type FrameRoute,
  IpAddress,
  Ipv4Header,
  parseEthernet,
  parseIpv4,
  parseTcp,
  readUint16,
  TcpFlag,
  TcpHeader,
} from '../../src/wire/index.ts';

const buffers = new FrameBuffers();
const ROUTE = {
  destination: Uint8Array.of(2, 0, 0, 0, 0, 1),
  source: Uint8Array.of(2, 0, 0, 0, 0, 2),
  vlanId: 0,
  userPriority: 0,
  sourceAddress: IpAddress.fromBytes(4, Uint8Array.of(192, 0, 2, 2)),
  destinationAddress: IpAddress.fromBytes(4, Uint8Array.of(192, 0, 2, 1)),
  ttl: 64,
  typeOfService: 0,
  flowLabel: 0,
} satisfies FrameRoute & { flowLabel: number };

const ROUTE_6 = {
  ...ROUTE,
  sourceAddress: IpAddress.parse('fd00:77::1') as IpAddress,
  destinationAddress: IpAddress.parse('fd00:77::2') as IpAddress,
} satisfies FrameRoute;

interface Segment {
  family: 4 | 6;
  sequence: number;
  text: number;
  flags: number;
  acknowledgment: number;
  window: number;
  timestamp: number;
  port: number;
  typeOfService: number;
}

const PLAIN: Segment = {
  family: 4,
  sequence: 0,
  text: 1000,
  flags: TcpFlag.ACK,
  acknowledgment: 77,
  window: 500,
  timestamp: 5,
  port: 80,
  typeOfService: 0,
};

/** The byte that stands at a sequence number. */
const byteAt = (sequence: number): number => (sequence * 31 + (sequence >>> 8)) & 0xff;

function frameOf(changes: Partial<Segment>): Uint8Array {
  const s = { ...PLAIN, ...changes };
  const header = new TcpHeader();
  header.clearOptions();
  header.sourcePort = s.port;
  header.destinationPort = 4000;
  header.sequence = s.sequence;
  header.acknowledgment = s.acknowledgment;
  header.flags = s.flags;
  header.window = s.window;
  header.hasTimestamp = true;
  header.timestampValue = s.timestamp;
  header.timestampEcho = 9;
  const payload = {
    copyTo(_offset: number, length: number, target: Uint8Array, at: number): void {
      for (let index = 0; index < length; index++) target[at + index] = byteAt(s.sequence + index);
    },
  };
  return buildTcpFrame(
    buffers,
    { ...(s.family === 4 ? ROUTE : ROUTE_6), typeOfService: s.typeOfService },
    s.sequence & 0xff,
    header,
    payload,
    0,
    s.text,
  );
}

/** What a link does with a coalescer. Frames that were joined are marked. */
function join(frames: readonly Uint8Array[]): { frame: Uint8Array; valid: boolean }[] {
  const coalescer = new Coalescer();
  const out: { frame: Uint8Array; valid: boolean }[] = [];
  let open: Uint8Array | null = null;
  const flush = (): void => {
    if (open === null) return;
    coalescer.finish(open);
    out.push({ frame: open, valid: true });
    open = null;
  };
  for (const frame of frames) {
    const what = coalescer.offer(frame, frame.length);
    if (what === Coalescing.CONTINUES || what === Coalescing.ENDS) {
      expect(open).not.toBe(null);
      open = Uint8Array.from([...(open ?? []), ...frame.subarray(coalescer.textOffset)]);
      if (what === Coalescing.ENDS) flush();
      continue;
    }
    flush();
    if (what === Coalescing.BEGINS) {
      coalescer.start(frame);
      open = frame;
    } else out.push({ frame, valid: false });
  }
  flush();
  expect(coalescer.isOpen).toBe(false);
  return out;
}

/** The packet's length and its segment. */
function parsed(frame: Uint8Array): { ip: { totalLength: number }; tcp: TcpHeader } {
  const ethernet = new EthernetHeader();
  const ip = new Ipv4Header();
  const tcp = new TcpHeader();
  expect(parseEthernet(frame, 0, frame.length, ethernet)).toBe(DropReason.NONE);
  if (ethernet.etherType === EtherType.IPV6) {
    const length = readUint16(frame, 18);
    expect(frame.length).toBe(54 + length);
    expect(parseTcp(frame, 54, length, tcp)).toBe(DropReason.NONE);
    return { ip: { totalLength: 40 + length }, tcp };
  }
  expect(parseIpv4(frame, ethernet.payloadOffset, ethernet.payloadLength, ip)).toBe(DropReason.NONE);
  expect(parseTcp(frame, ip.payloadOffset, ip.payloadLength, tcp)).toBe(DropReason.NONE);
  return { ip, tcp };
}

/** Lengths of the text of what comes out. */
const texts = (frames: readonly Uint8Array[]): number[] =>
  join(frames).map(({ frame }) => parsed(frame).tcp.payloadLength);

const follow = (count: number, changes: Partial<Segment> = {}): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => frameOf({ sequence: index * 1000, ...changes }));

describe('the coalescer', () => {
  it('joins what follows each other, up to the largest IP packet', () => {
    expect(texts(follow(10))).toEqual([10_000]);
    expect(texts(follow(100))).toEqual([65_000, 35_000]);
    const [{ frame, valid }] = join(follow(3));
    const { ip, tcp } = parsed(frame);
    expect(valid).toBe(true);
    expect(ip.totalLength).toBe(20 + 32 + 3000);
    expect([tcp.sequence, tcp.acknowledgment, tcp.window, tcp.timestampValue]).toEqual([0, 77, 500, 5]);
    expect(tcp.flags).toBe(TcpFlag.ACK);
  });

  it('joins what comes over IPv6', () => {
    expect(texts(follow(70, { family: 6 }))).toEqual([65_000, 5_000]);
    const [{ frame }] = join(follow(3, { family: 6 }));
    expect(parsed(frame).ip.totalLength).toBe(40 + 32 + 3000);
    expect(texts([frameOf({}), frameOf({ sequence: 1000, family: 6 })])).toEqual([1000, 1000]);
    expect(texts([frameOf({ family: 6 }), frameOf({ sequence: 1000, family: 6, typeOfService: 3 })])).toEqual([
      1000, 1000,
    ]);
    const damaged = frameOf({ family: 6, sequence: 1000 });
    damaged[40] ^= 1;
    expect(join([frameOf({ family: 6 }), damaged]).map(({ valid }) => valid)).toEqual([true, false]);
  });

  it('ends at a pushed segment, and at a shorter one', () => {
    const push = TcpFlag.ACK | TcpFlag.PSH;
    const frames = [...follow(2), frameOf({ sequence: 2000, flags: push }), frameOf({ sequence: 3000 })];
    const out = join(frames);
    expect(out.map(({ frame }) => parsed(frame).tcp.payloadLength)).toEqual([3000, 1000]);
    expect(parsed(out[0].frame).tcp.flags).toBe(push);
    expect(parsed(out[1].frame).tcp.flags).toBe(TcpFlag.ACK);
    expect(texts([...follow(2), frameOf({ sequence: 2000, text: 400 }), frameOf({ sequence: 2400 })])).toEqual([
      2400, 1000,
    ]);
    expect(texts([frameOf({ text: 400 }), frameOf({ sequence: 400 })])).toEqual([400, 1000]);
  });

  it('joins nothing that differs', () => {
    const changes: Partial<Segment>[] = [
      { sequence: 1001 },
      { sequence: 999 },
      { acknowledgment: 78 },
      { window: 501 },
      { timestamp: 6 },
      { port: 81 },
      { typeOfService: 3 },
      { flags: TcpFlag.ACK | TcpFlag.FIN },
      { flags: TcpFlag.ACK | TcpFlag.URG },
      { flags: TcpFlag.ACK | TcpFlag.RST },
      { flags: TcpFlag.ACK | 0x40 },
      { text: 0 },
    ];
    for (const change of changes) {
      const other = frameOf({ sequence: 1000, ...change });
      expect(texts([frameOf({}), other]), JSON.stringify(change)).toEqual([1000, change.text ?? 1000]);
    }
    expect(texts([frameOf({}), frameOf({ sequence: 1000 })])).toEqual([2000]);
  });

  it('passes damaged frames on alone, for the stack to drop', () => {
    const whole = frameOf({ sequence: 1000 });
    for (let bit = 12 * 8; bit < whole.length * 8; bit += 7) {
      const damaged = whole.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const out = join([frameOf({}), damaged, frameOf({ sequence: 2000 })]);
      expect(out.map(({ frame }) => frame)).toContain(damaged);
      expect(out).toHaveLength(3);
    }
  });

  it('is sure of nothing that is no whole segment', () => {
    const coalescer = new Coalescer();
    const frame = frameOf({});
    for (let length = 0; length < frame.length; length++) expect(coalescer.offer(frame, length)).toBe(Coalescing.APART);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(coalescer.offer(bytes, bytes.length)).toBe(Coalescing.APART);
      }),
    );
  });

  it('changes no byte of any stream', () => {
    const piece = fc.record({
      text: fc.constantFrom(1000, 1000, 1000, 1000, 999, 1, 0),
      push: fc.boolean(),
      gap: fc.constantFrom(0, 0, 0, 0, 0, 5, -1000),
      port: fc.constantFrom(80, 80, 80, 81),
      timestamp: fc.constantFrom(5, 5, 5, 6),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const next: Record<number, number> = { 80: 1000, 81: 0x7fff_fff0 };
        const frames = pieces.map(({ text, push, gap, port, timestamp }) => {
          const sequence = (next[port] + gap) | 0;
          next[port] = (sequence + text) | 0;
          return frameOf({ sequence, text, port, timestamp, flags: TcpFlag.ACK | (push ? TcpFlag.PSH : 0) });
        });
        const bytesOf = (list: readonly Uint8Array[]): string[] =>
          list.flatMap((frame) => {
            const { tcp } = parsed(frame);
            return Array.from({ length: tcp.payloadLength }, (_, index) => {
              const value = frame[tcp.payloadOffset + index];
              return `${tcp.sourcePort}/${tcp.timestampValue}/${(tcp.sequence + index) | 0}=${value}`;
            });
          });
        const out = join(frames.map((frame) => frame.slice())).map(({ frame }) => frame);
        expect(bytesOf(out)).toEqual(bytesOf(frames));
      }),
      { numRuns: 50 },
    );
  });
});

describe('ports that wrap a port with offloads', () => {
  function inner(): LinkPort & { sent: [Uint8Array, number][] } {
    const sent: [Uint8Array, number][] = [];
    return {
      name: 'inner',
      mtu: 1500,
      segmentationOffload: true,
      receiveOffload: true,
      onReceive: () => {},
      sent,
      send: (frame) => void sent.push([frame, 0]),
      sendSegmented: (frame, size) => void sent.push([frame, size]),
    };
  }

  it('pass the offloads on, or refuse them', () => {
    const recorded: string[] = [];
    const recorder = { record: (_time: number, direction: string) => void recorded.push(direction) };
    for (const wrap of [
      (port: LinkPort) => new CapturePort(port, recorder, () => 0),
      (port: LinkPort) => new CountingPort(port),
    ]) {
      const port = inner();
      const wrapped: LinkPort = wrap(port);
      const frame = frameOf({});
      const received: unknown[] = [];
      wrapped.onReceive = (...values) => received.push(values);
      expect([wrapped.segmentationOffload, wrapped.receiveOffload]).toEqual([true, true]);
      wrapped.sendSegmented?.(frame, 500);
      wrapped.send(frame);
      port.onReceive(frame, true);
      expect(port.sent).toEqual([
        [frame, 500],
        [frame, 0],
      ]);
      expect(received).toEqual([[frame, true]]);
    }
    expect(recorded).toEqual(['outbound', 'outbound', 'inbound']);
    expect(() => new ImpairedPort(inner(), { now: () => 0 })).toThrow(RangeError);
  });
});
