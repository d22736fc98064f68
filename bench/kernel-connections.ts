/**
 * Connections that are opened and closed, one after the other on some tracks at a time, between us and the kernel's TCP in
 * another network namespace. The side that opens them also closes them first.
 */
import type { Duplex } from 'node:stream';
import { elapsed, LINKS, type LinkName, OURS, Peer, type Sockets, THEIRS, Usage, withLink } from './namespace.ts';

export interface KernelConnections {
  readonly link: LinkName;
  /** Who opens them: the measured process, or the one at the other end. */
  readonly opener: 'us' | 'peer';
  readonly perSecond: number;
  /** Of the measured process. */
  readonly cpuMicrosecondsEach: number;
  /** Divided by what `node:net` does with the same opener. */
  readonly ofNodeNet: number;
}

const TRACKS = 32;
/** More than one: a connection that waits out its TIME-WAIT keeps a pair of ports from being used again. */
const PORTS = [5011, 5012, 5013, 5014];

/** argv: role, address, ports, tracks. */
const PEER = `
const net = require('node:net');
const [role, host, ports, tracks] = process.argv.slice(1);
const all = ports.split(',').map(Number);
if (role === 'server') {
  let listening = 0;
  for (const port of all) {
    const server = net.createServer((socket) => { socket.on('error', () => {}); socket.resume(); });
    server.listen({ port, host, backlog: 511 }, () => { if (++listening === all.length) console.log('ready'); });
  }
} else {
  let next = 0;
  const open = () => {
    const socket = net.connect({ host, port: all[next++ % all.length] }, () => socket.end());
    socket.resume();
    socket.on('error', () => {});
    socket.on('close', () => setImmediate(open));
  };
  for (let i = 0; i < +tracks; i++) open();
}
`;

/** Measures both openers on all links. */
export async function measureKernelConnections(namespace: string, milliseconds: number): Promise<KernelConnections[]> {
  const results: Omit<KernelConnections, 'ofNodeNet'>[] = [];
  for (const link of LINKS) {
    await withLink(link, namespace, async (sockets) => {
      for (const opener of ['peer', 'us'] as const) {
        const figures = await (opener === 'peer' ? accepting : opening)(sockets, namespace, milliseconds);
        results.push({ link, opener, ...figures });
      }
    });
  }
  return results.map((result) => {
    const base = results.find(({ link, opener }) => link === 'node:net over veth' && opener === result.opener);
    return { ...result, ofNodeNet: result.perSecond / (base?.perSecond ?? Number.NaN) };
  });
}

type Figures = Omit<KernelConnections, 'link' | 'opener' | 'ofNodeNet'>;

/** The peer opens connections to us. */
async function accepting(sockets: Sockets, namespace: string, milliseconds: number): Promise<Figures> {
  const counter = new Counter();
  const servers: { close(): void }[] = [];
  for (const port of PORTS) servers.push(await sockets.listen(port, (socket) => countEnd(socket, counter)));
  const peer = new Peer(namespace, PEER, ['client', OURS, PORTS.join(','), TRACKS], 60_000 + 2 * milliseconds);
  try {
    await peer.during(counter.first);
    return await rateOf(counter, peer, milliseconds);
  } finally {
    await peer.stop();
    for (const server of servers) server.close();
  }
}

/** We open connections to the peer. */
async function opening(sockets: Sockets, namespace: string, milliseconds: number): Promise<Figures> {
  const counter = new Counter();
  let goesOn = true;
  let next = 0;
  const open = (): void => {
    const port = PORTS[next++ % PORTS.length];
    const socket = sockets.connect(THEIRS, port, () => socket.end());
    countEnd(socket, counter);
    socket.on('close', () => {
      if (goesOn) setImmediate(open);
    });
  };
  const peer = new Peer(namespace, PEER, ['server', THEIRS, PORTS.join(','), TRACKS], 60_000 + 2 * milliseconds);
  try {
    await peer.ready();
    for (let track = 0; track < TRACKS; track++) open();
    await peer.during(counter.first);
    return await rateOf(counter, peer, milliseconds);
  } finally {
    goesOn = false;
    await peer.stop();
    await elapsed(50);
  }
}

/** Connections that have ended in good order. */
class Counter {
  closed = 0;
  /** Resolves with the first of them. */
  readonly first: Promise<void>;
  private isFirst: () => void = () => {};

  constructor() {
    this.first = new Promise((resolve) => {
      this.isFirst = resolve;
    });
  }

  add(): void {
    this.closed++;
    this.isFirst();
  }
}

/** Counts a connection that ends in good order. */
function countEnd(socket: Duplex, counter: Counter): void {
  let failed = false;
  socket.on('error', () => {
    failed = true;
  });
  socket.on('close', () => {
    if (!failed) counter.add();
  });
  socket.resume();
}

async function rateOf(counter: Counter, peer: Peer, milliseconds: number): Promise<Figures> {
  await elapsed(milliseconds / 4);
  const before = counter.closed;
  const usage = new Usage(peer);
  await elapsed(milliseconds);
  const closed = counter.closed - before;
  const { seconds, cpuSeconds } = usage;
  return { perSecond: closed / seconds, cpuMicrosecondsEach: (cpuSeconds * 1e6) / closed };
}
