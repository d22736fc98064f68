/** `chimney serve`: an HTTP file server on the host stack, for real clients behind the gateway. */
import { statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { Server } from '../net/index.ts';
import { Gateway } from '../node/index.ts';
import { type ChurnCounts, churn } from './churn.ts';
import { describeSystemError, UsageError } from './errors.ts';
import { createFileServer } from './file-server.ts';
import { addLinkOptions, LINK_HELP, type LinkOptions, parsePort } from './link-options.ts';
import { Network, SERVER_ADDRESS } from './network.ts';
import { serveOnLink } from './serve-link.ts';
import { interrupted } from './signals.ts';
import { parseEndpoint, parseInteger } from './units.ts';

interface ServeOptions extends LinkOptions {
  readonly gateway: { readonly address: string; readonly port: number };
  readonly offload: 'never' | 'auto' | 'always';
  readonly churn?: boolean;
  readonly targetConnections?: number;
  readonly port: number;
}

const HTTP_PORT = 80;

/** Jumbo frames: the wire is memory, and larger segments cost less. */
const WIRE_MTU = 9000;

/** How long open downloads may go on after Ctrl-C, milliseconds. */
const DRAIN_MILLISECONDS = 5_000;

const EXAMPLES = `
Examples:
  chimney serve . --churn                          then: curl -O http://127.0.0.1:8080/README.md
  chimney serve files --gateway 127.0.0.1:0        on a free port
  curl -T upload.bin http://127.0.0.1:8080/        stores a file in the directory
  chimney serve . --link tap:chimney0 --address 10.77.0.2/24
                  then: ip address add 10.77.0.1/24 dev chimney0; curl -O http://10.77.0.2/README.md`;

/** Adds the command to the program. */
export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('Serve a directory over HTTP from the host stack; clients connect to a gateway on this machine.')
    .argument('<dir>', 'directory to serve; PUT stores files in it')
    .addOption(
      new Option('--gateway <address:port>', 'where clients connect; port 0 takes a free one')
        .argParser(parseEndpoint)
        .default({ address: '127.0.0.1', port: 8080 }, '127.0.0.1:8080'),
    )
    .addOption(
      new Option('--offload <policy>', 'which connections go to the offload target')
        .choices(['never', 'auto', 'always'])
        .default('auto'),
    )
    .option('--churn', 'keep moving every connection at random')
    .option('--target-connections <n>', 'most connections that the offload target takes', parseInteger(0, 1_000_000))
    .option('--port <port>', 'port of the server on a link', parsePort, HTTP_PORT);
  addLinkOptions(command, false)
    .addHelpText('after', LINK_HELP + EXAMPLES)
    .action((directory: string, options: ServeOptions) => serve(directory, options));
}

async function serve(directory: string, options: ServeOptions): Promise<void> {
  checkDirectory(directory);
  if (options.link !== undefined) return serveOnLink(directory, options.link, options);
  if (options.address !== undefined || options.pcap !== undefined || options.router !== undefined) {
    throw new UsageError('--address, --router and --pcap belong to a link: give --link as well.');
  }
  const network = new Network({
    seed: 1,
    wire: { mtu: WIRE_MTU },
    server: {
      offloadPolicy: options.churn ? 'never' : options.offload,
      ...(options.targetConnections === undefined ? {} : { targetLimits: { connections: options.targetConnections } }),
    },
  });
  const files = createFileServer(directory);
  const counts: ChurnCounts = { down: 0, up: 0, refused: 0 };
  const server = new Server(network.server, {}, (socket) => {
    // A client that goes away in the middle is no event for the server.
    socket.on('error', () => {});
    files.serve(socket);
    if (options.churn) churn(socket, counts);
  });
  server.listen(HTTP_PORT);
  const gateway = new Gateway({
    host: network.client,
    serverAddress: SERVER_ADDRESS,
    serverPort: HTTP_PORT,
    listenAddress: options.gateway.address,
    listenPort: options.gateway.port,
  });
  let port: number;
  try {
    port = await gateway.listen();
  } catch (error) {
    network.close();
    throw new UsageError(describeSystemError(error, `${options.gateway.address}:${options.gateway.port}`));
  }
  const host = options.gateway.address.includes(':') ? `[${options.gateway.address}]` : options.gateway.address;
  // From here on Ctrl-C ends cleanly; who waits for the next line may send it at once.
  const end = interrupted();
  console.log(`listening http://${host}:${port}`);

  await end;
  const closed = gateway.close(DRAIN_MILLISECONDS);
  files.drain();
  await closed;
  const { offloads, uploads, offloadsRefused } = network.server.stack.statistics;
  server.close();
  network.close();
  console.log(
    `served; connections went to the target ${offloads} times, came back ${uploads} times, ${offloadsRefused} refused`,
  );
}

function checkDirectory(directory: string): void {
  try {
    if (!statSync(directory).isDirectory()) throw new UsageError(`${directory} is not a directory: name a directory.`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(describeSystemError(error, directory));
  }
}
