/** Bytes to and from the kernel's TCP in another network namespace, over each link. */
import type { Duplex } from 'node:stream';
import { elapsed, LINKS, type LinkName, OURS, Peer, type Sockets, Usage, withLink } from './namespace.ts';

export interface KernelThroughput {
  readonly link: LinkName;
  /** As the measured process sees it. */
  readonly direction: 'receive' | 'send';
  readonly megabitsPerSecond: number;
  /** Of the measured process: what its kernel part did for it included. */
  readonly cpuSecondsPerGigabyte: number;
  /** Of the process at the other end. */
  readonly peerCpuSecondsPerGigabyte: number;
  /** Throughput, divided by that of `node:net` in the same direction. */
  readonly ofNodeNet: number;
}

const PORT = 5001;
const CHUNK = Buffer.alloc(64 * 1024, 1);

/** argv: role, address, port. */
const PEER = `
const [role, host, port] = process.argv.slice(1);
const chunk = Buffer.alloc(256 * 1024, 7);
const socket = require('node:net').connect({ host, port: +port }, () => {
  if (role === 'sink') socket.resume();
  else {
    const write = () => { while (socket.write(chunk)); };
    socket.on('drain', write);
    write();
  }
});
socket.on('error', () => process.exit(0));
`;

/** Measures both directions on all links. */
export async function measureKernelThroughput(namespace: string, milliseconds: number): Promise<KernelThroughput[]> {
  const results: Omit<KernelThroughput, 'ofNodeNet'>[] = [];
  for (const link of LINKS) {
    await withLink(link, namespace, async (sockets) => {
      for (const direction of ['receive', 'send'] as const) {
        results.push({ link, direction, ...(await measureOne(sockets, direction, namespace, milliseconds)) });
      }
    });
  }
  return results.map((result) => {
    const base = results.find(({ link, direction }) => link === 'node:net over veth' && direction === result.direction);
    return { ...result, ofNodeNet: result.megabitsPerSecond / (base?.megabitsPerSecond ?? Number.NaN) };
  });
}

type Figures = Omit<KernelThroughput, 'link' | 'direction' | 'ofNodeNet'>;

async function measureOne(
  sockets: Sockets,
  direction: KernelThroughput['direction'],
  namespace: string,
  milliseconds: number,
): Promise<Figures> {
  let accept: (socket: Duplex) => void = () => {};
  const accepted = new Promise<Duplex>((resolve) => {
    accept = resolve;
  });
  const server = await sockets.listen(PORT, (socket) => accept(socket));
  const role = direction === 'receive' ? 'source' : 'sink';
  const peer = new Peer(namespace, PEER, [role, OURS, PORT], 60_000 + 2 * milliseconds);
  try {
    const socket = await peer.during(accepted);
    const figures = await count(socket, direction, peer, milliseconds);
    socket.destroy();
    return figures;
  } finally {
    await peer.stop();
    server.close();
  }
}

/** Counts what passes the socket, after a quarter of the time for the windows to open. */
async function count(
  socket: Duplex,
  direction: KernelThroughput['direction'],
  peer: Peer,
  milliseconds: number,
): Promise<Figures> {
  let bytes = 0;
  socket.on('error', () => {});
  if (direction === 'receive') {
    socket.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length;
    });
  } else {
    const written = (): void => {
      bytes += CHUNK.length;
    };
    const write = (): void => {
      while (!socket.destroyed && socket.write(CHUNK, written));
    };
    socket.on('drain', write);
    write();
  }
  await elapsed(milliseconds / 4);
  const before = bytes;
  const usage = new Usage(peer);
  await elapsed(milliseconds);
  const gigabytes = (bytes - before) / 1e9;
  const { seconds, cpuSeconds, peerCpuSeconds } = usage;
  return {
    megabitsPerSecond: (gigabytes * 8e3) / seconds,
    cpuSecondsPerGigabyte: cpuSeconds / gigabytes,
    peerCpuSecondsPerGigabyte: peerCpuSeconds / gigabytes,
  };
}
