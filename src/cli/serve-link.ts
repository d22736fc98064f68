/** `chimney serve --link`: a file server that other machines, and this one's kernel, reach over a link. */
import { Server } from '../net/index.ts';
import { type ChurnCounts, churn } from './churn.ts';
import { createFileServer } from './file-server.ts';
import { LinkHost } from './link-host.ts';
import type { LinkName, LinkOptions } from './link-options.ts';
import { interrupted } from './signals.ts';

/** What the command was given besides the link. */
export interface ServeLinkOptions extends LinkOptions {
  readonly offload: 'never' | 'auto' | 'always';
  readonly churn?: boolean;
  readonly targetConnections?: number;
  readonly port: number;
}

/** How long open downloads may go on after Ctrl-C, milliseconds. */
const DRAIN_MILLISECONDS = 5_000;

/** Serves `directory` until the command is interrupted. @throws UsageError when the link cannot be opened */
export async function serveOnLink(directory: string, link: LinkName, options: ServeLinkOptions): Promise<void> {
  const linkHost = await LinkHost.open(link, options, {
    offloadPolicy: options.churn ? 'never' : options.offload,
    ...(options.targetConnections === undefined ? {} : { targetLimits: { connections: options.targetConnections } }),
  });
  const { host } = linkHost;
  const files = createFileServer(directory);
  const counts: ChurnCounts = { down: 0, up: 0, refused: 0 };
  const server = new Server(host, {}, (socket) => {
    // A client that goes away in the middle is no event for the server.
    socket.on('error', () => {});
    files.serve(socket);
    if (options.churn) churn(socket, counts);
  });
  try {
    server.listen(options.port);
    for (const { address } of options.address ?? []) console.log(`listening ${urlOf(address, options.port)}`);
    await Promise.race([interrupted(), linkHost.failed]);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    files.drain();
    const settled = closed.then(() => linkHost.settled());
    await Promise.race([settled, linkHost.failed, elapsed(DRAIN_MILLISECONDS)]);
  } finally {
    await linkHost.close();
  }
  const { offloads, uploads, offloadsRefused } = host.stack.statistics;
  console.log(
    `served; connections went to the target ${offloads} times, came back ${uploads} times, ${offloadsRefused} refused`,
  );
}

function urlOf(address: string, port: number): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `http://${host}${port === 80 ? '' : `:${port}`}`;
}

function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
