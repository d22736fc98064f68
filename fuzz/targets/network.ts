/** One host with its adapter on a link where everybody else is the input: the subject of the targets `host` and `nic`. */
import { NeighborLimits } from '../../src/host/framing/neighbor-cache.ts';
import { type Connection, HostStack } from '../../src/host/index.ts';
import { ReassemblyLimits } from '../../src/host/path/reassembly.ts';
import { Random } from '../../src/link/index.ts';
import { createVerifier, Ndis } from '../../src/ndis/index.ts';
import { SoftwareAdapter } from '../../src/target/index.ts';
import { buildTcpFrame, FrameBuffers, IpAddress, MacAddress, TcpFlag, TcpHeader } from '../../src/wire/index.ts';
import type { InputReader } from '../engine/input-reader.ts';
import { check } from '../engine/target.ts';

/** The addresses in the captured frames: the host is `…0b`, everybody else `…0a`. */
const HOST_MAC = MacAddress.fromWords(0x0200, 11);
const PEER_MAC = MacAddress.fromWords(0x0200, 10);
const PORT = 8080;

function ip(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === null) throw new Error(text);
  return address;
}

const ADDRESSES = {
  4: { own: ip('10.0.0.2'), peer: ip('10.0.0.1') },
  6: { own: ip('fd00::b'), peer: ip('fd00::a') },
} as const;

const COMMON_FLAGS = [TcpFlag.ACK, TcpFlag.ACK | TcpFlag.PSH, TcpFlag.SYN, TcpFlag.ACK | TcpFlag.FIN] as const;

/** Connections that one input may leave behind are closed above this number. */
const MOST_CONNECTIONS = 40;
/** Rounds without rest that prove an endless loop. */
const MOST_ROUNDS = 20_000;
/** Frames that one event may cause. */
const MOST_FRAMES = 4_000;

export class HostUnderTest {
  readonly stack: HostStack;
  readonly adapter: SoftwareAdapter;
  /** The connection that segments are made for. */
  private connection: Connection | null = null;
  private readonly accepted: Connection[] = [];
  private receive: (frame: Uint8Array, checksumValid?: boolean) => void = () => {};
  private readonly buffers = new FrameBuffers();
  private now = 1_000_000;
  private framesSent = 0;
  private framesArrived = 0;
  private nextPort = 1024;
  private readonly family: 4 | 6;

  constructor(family: 4 | 6) {
    this.family = family;
    const random = new Random(3);
    const int32 = (): number => random.int32();
    const subject = this;
    const link = {
      name: 'wire',
      mtu: 1500,
      get onReceive() {
        return subject.receive;
      },
      set onReceive(receive: (frame: Uint8Array, checksumValid?: boolean) => void) {
        subject.receive = receive;
      },
      send(frame: Uint8Array): void {
        subject.framesSent++;
        check(frame.length >= 14 && frame.length <= 1518, `a frame of ${frame.length} bytes was sent`);
      },
    };
    const ndis = new Ndis({ verifier: createVerifier() });
    this.adapter = new SoftwareAdapter({ name: 'nic', macAddress: HOST_MAC, link, random: int32, now: this.now });
    this.stack = new HostStack({
      name: 'host',
      ndis,
      adapter: this.adapter.initialize(ndis),
      addresses: [
        { address: ADDRESSES[4].own, prefixLength: 24 },
        { address: ADDRESSES[6].own, prefixLength: 64 },
      ],
      duplicateAddressProbes: 0,
      random: int32,
      now: this.now,
      receiveBufferBytes: 40_000,
      sendBufferBytes: 40_000,
    });
    this.stack.listen({ port: PORT, backlog: 16 }, (connection) => {
      this.accepted.push(connection);
    });
    this.settle();
  }

  /** A frame from the link. */
  arrives(frame: Uint8Array, checksumValid: boolean): void {
    this.framesArrived++;
    this.receive(frame, checksumValid);
    this.settle();
  }

  /** A segment of the connection that is open, near to what it expects; without one, one that opens it. */
  segment(reader: InputReader): void {
    const { connection } = this;
    const header = new TcpHeader();
    header.destinationPort = PORT;
    if (connection === null || connection.isClosed) {
      this.open();
      return;
    }
    header.sourcePort = connection.remotePort;
    const choices = reader.u8();
    const flags = reader.u8();
    header.flags = flags < 192 ? COMMON_FLAGS[(flags >>> 2) & 3] : reader.u8();
    const expected = this.expected(connection);
    header.sequence = (expected.rcvNxt + reader.nearby()) | 0;
    header.acknowledgment = ((choices & 1 ? expected.sndMax : expected.sndUna) + reader.nearby()) | 0;
    header.window = reader.u16();
    header.urgentPointer = choices & 2 ? reader.u16() : 0;
    header.hasTimestamp = (choices & 4) !== 0;
    header.timestampValue = (expected.tsRecent + reader.nearby()) | 0;
    header.timestampEcho = reader.int32();
    header.sackCount = choices >>> 6;
    for (let block = 0; block < header.sackCount; block++) {
      header.sackLeft[block] = (expected.sndUna + reader.nearby()) | 0;
      header.sackRight[block] = (header.sackLeft[block] + reader.nearby()) | 0;
    }
    const length = choices & 32 ? 0 : choices & 16 ? 1000 + (reader.u8() << 3) : reader.remaining;
    this.arrives(this.frameOf(header, Math.min(length, 1400)), (choices & 8) !== 0);
  }

  /** Opens a connection, as an ordinary peer does. */
  open(): void {
    const syn = new TcpHeader();
    syn.sourcePort = this.nextPort++ & 0xffff || 1;
    syn.destinationPort = PORT;
    syn.flags = TcpFlag.SYN;
    syn.sequence = 0x7fffff00;
    syn.window = 65_535;
    syn.maximumSegmentSize = 1460;
    syn.windowScale = 2;
    syn.sackPermitted = true;
    this.solveAddress();
    this.arrives(this.frameOf(syn, 0), false);
    const half = [...this.stack.connections()].find((each) => each.remotePort === syn.sourcePort);
    if (half === undefined) return; // refused: too many are open already
    const ack = new TcpHeader();
    ack.sourcePort = syn.sourcePort;
    ack.destinationPort = PORT;
    ack.flags = TcpFlag.ACK;
    ack.sequence = (syn.sequence + 1) | 0;
    ack.acknowledgment = this.expected(half).sndMax;
    ack.window = 65_535;
    this.arrives(this.frameOf(ack, 0), false);
    this.connection = half;
  }

  /** Calls of the application. */
  call(reader: InputReader): void {
    const { connection } = this;
    if (connection === null) {
      this.open();
      return;
    }
    const done = (): void => {};
    switch (reader.below(10)) {
      case 0:
        if (connection.sendBuffered < 100_000) connection.send(new Uint8Array(reader.u16() % 20_000));
        break;
      case 1:
        connection.read(reader.u16());
        break;
      case 2:
        connection.shutdown();
        break;
      case 3:
        connection.abort();
        break;
      case 4:
        connection.offload(done);
        break;
      case 5:
        connection.upload(done);
        break;
      case 6:
        connection.detach(reader.below(2) === 1);
        break;
      case 7:
        this.adapter.requestUploads();
        break;
      case 8:
        this.stack.connect({ address: ADDRESSES[this.family].peer, port: reader.u16() || 1 });
        break;
      default:
        this.connection = this.accepted[reader.below(Math.max(1, this.accepted.length))] ?? connection;
    }
    this.settle();
  }

  /** Offloads the connection that is open, and waits until that is done. */
  offload(): void {
    this.connection?.offload();
    this.elapse(10);
  }

  elapse(milliseconds: number): void {
    const end = this.now + milliseconds * 1000;
    for (let round = 0; ; round++) {
      check(round < MOST_ROUNDS, 'the timers do not come to rest');
      const next = Math.min(this.stack.nextDeadline(), this.adapter.nextDeadline());
      if (next > end) break;
      this.now = Math.max(this.now, Math.ceil(next));
      this.settle();
    }
    this.now = end;
    this.settle();
  }

  /** What must hold at any time. */
  checkBounds(): void {
    const { stack, adapter } = this;
    const { network } = stack as unknown as {
      network: {
        neighbors: { size: number };
        paths: Iterable<unknown>;
        input: { reassemblyIpv4: { size: number; bytes: number }; reassemblyIpv6: { size: number; bytes: number } };
      };
    };
    check(network.neighbors.size <= NeighborLimits.ENTRIES, `${network.neighbors.size} neighbors`);
    for (const queue of [network.input.reassemblyIpv4, network.input.reassemblyIpv6]) {
      check(
        queue.size <= ReassemblyLimits.DATAGRAMS && queue.bytes <= ReassemblyLimits.BYTES,
        'fragments without bound',
      );
    }
    let connections = 0;
    for (const connection of stack.connections()) {
      connections++;
      check(connection.unreadBytes <= 140_000, `${connection.unreadBytes} unread bytes`);
    }
    check(connections <= 400, `${connections} connections`);
    const sum = (drops: Record<string, number>): number =>
      Object.values(drops).reduce((total, count) => total + count, 0);
    const { framesReceived } = stack.statistics;
    const dropped = sum(stack.drops.toObject());
    check(framesReceived <= this.framesArrived, 'the host counts frames that nobody sent');
    // A fragment counts for itself, and once more when its datagram is given up.
    check(dropped <= 2 * framesReceived, `${dropped} drops of ${framesReceived} frames`);
    check(sum(adapter.drops) <= this.framesArrived, 'the adapter counts drops of frames that nobody sent');
    check(adapter.offloadedConnections <= connections, 'the adapter has a connection that the host has not');
    this.limitConnections();
  }

  /** Closes everything: nothing must be left. */
  close(): void {
    this.stack.close();
    this.settle();
    for (let minute = 0; minute < 30 && !this.stack.closed; minute++) this.elapse(60_000);
    check(this.stack.closed, 'the stack does not close');
    check([...this.stack.connections()].length === 0, 'connections outlive their stack');
    check(this.adapter.offloadedConnections === 0, 'offloaded connections outlive their stack');
  }

  private settle(): void {
    this.framesSent = 0;
    for (let round = 0; round < MOST_ROUNDS; round++) {
      // Calls of the application leave work that no deadline tells of.
      this.stack.advance(this.now);
      this.adapter.advance(this.now);
      check(this.framesSent < MOST_FRAMES, `${this.framesSent} frames for one event`);
      if (this.stack.nextDeadline() > this.now && this.adapter.nextDeadline() > this.now) return;
    }
    check(false, 'the host does not come to rest');
  }

  /** An application that cares: old connections are aborted, so that the input cannot fill the table with them. */
  private limitConnections(): void {
    while (this.accepted.length > MOST_CONNECTIONS) this.accepted.shift()?.abort();
  }

  /** The host learns the peer's link address: an answer to a question that it will ask. */
  private solveAddress(): void {
    const frame = this.family === 4 ? ARP_REPLY : NEIGHBOR_ADVERTISEMENT;
    this.arrives(frame.slice(), false);
  }

  private frameOf(header: TcpHeader, length: number): Uint8Array {
    const { own, peer } = ADDRESSES[this.family];
    const route = {
      destination: HOST_MAC.bytes,
      source: PEER_MAC.bytes,
      vlanId: 0,
      userPriority: 0,
      sourceAddress: peer,
      destinationAddress: own,
      ttl: 64,
      typeOfService: 0,
      flowLabel: 0,
    };
    return buildTcpFrame(this.buffers, route, 1, header, { copyTo() {} }, 0, length);
  }

  /** What the connection expects and has sent, wherever it is. */
  private expected(connection: Connection) {
    for (const offloaded of this.adapter.nic.core.connections.values()) {
      if (offloaded.cb.constant.remotePort === connection.remotePort) return offloaded.cb.delegated;
    }
    const { ownership } = connection;
    if (ownership !== null && (ownership.owner === 'host' || ownership.owner === 'offloading')) {
      return ownership.cb.delegated;
    }
    return NOTHING;
  }
}

const NOTHING = { rcvNxt: 0, sndUna: 0, sndMax: 0, tsRecent: 0 };
const ARP_REPLY = bytes('02000000000b02000000000a0806000108000604000202000000000a0a00000102000000000b0a000002');
const NEIGHBOR_ADVERTISEMENT = bytes(
  '02000000000b02000000000a86dd6000000000203afffd00000000000000000000000000000afd00000000000000000000000000000b8800000060000000fd00000000000000000000000000000a020102000000000a',
);

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
