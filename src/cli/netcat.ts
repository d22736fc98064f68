/** `chimney connect` and `chimney listen`: standard input and output at one end of a connection. */
import { finished, pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { connect, Server, type Socket, type SocketError } from '../net/index.ts';
import { CommandFailure, Interruption } from './errors.ts';
import { LinkHost } from './link-host.ts';
import { addLinkOptions, LINK_HELP, type LinkName, type LinkOptions, parseAddress, parsePort } from './link-options.ts';
import { interrupted } from './signals.ts';

interface NetcatOptions extends LinkOptions {
  readonly link: LinkName;
}

/** Adds both commands to the program. */
export function addNetcatCommands(program: Command): void {
  addLinkOptions(
    program
      .command('connect')
      .description(
        'Open a connection from the host stack; standard input goes in, what comes out goes to standard output.',
      )
      .argument('<address>', 'IP address of the peer', parseAddress)
      .argument('<port>', 'port of the peer', parsePort),
    true,
  )
    .addHelpText('after', LINK_HELP)
    .action((address: string, port: number, options: NetcatOptions) => runConnect(address, port, options));
  addLinkOptions(
    program
      .command('listen')
      .description(
        'Accept one connection on the host stack; standard input goes in, what comes out to standard output.',
      )
      .argument('<port>', 'port to listen on', parsePort),
    true,
  )
    .addHelpText('after', LINK_HELP)
    .action((port: number, options: NetcatOptions) => runListen(port, options));
}

function runConnect(address: string, port: number, options: NetcatOptions): Promise<void> {
  return onLink(options, async (linkHost) => {
    const socket = connect(linkHost.host, { host: address, port, allowHalfOpen: true });
    await linkHost.finish(relay(socket, linkHost));
  });
}

function runListen(port: number, options: NetcatOptions): Promise<void> {
  return onLink(options, async (linkHost) => {
    const server = new Server(linkHost.host, { allowHalfOpen: true });
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    server.listen(port);
    console.error(`listening on port ${port}`);
    const socket = await Promise.race([accepted, linkHost.failed]);
    server.close();
    await linkHost.finish(relay(socket, linkHost));
  });
}

/** Runs `work` with a host on the link, until it is done, or somebody interrupts it. */
async function onLink(options: NetcatOptions, work: (linkHost: LinkHost) => Promise<void>): Promise<void> {
  const linkHost = await LinkHost.open(options.link, options, { offloadPolicy: 'auto' });
  const signal = interrupted().then((name) => {
    throw new Interruption(name);
  });
  try {
    await Promise.race([work(linkHost), signal]);
  } finally {
    await linkHost.close();
    // Nobody reads it any more: it must not keep the process.
    process.stdin.destroy();
  }
}

/** Copies both ways, each until its end, and until the peer has everything; half closed connections go on the other way. */
async function relay(socket: Socket, linkHost: LinkHost): Promise<void> {
  const ended = finished(socket);
  try {
    await Promise.all([pipeline(process.stdin, socket), pipeline(socket, process.stdout, { end: false }), ended]);
  } catch (error) {
    // A peer that closes both ways leaves input over that nobody wants.
    const { code, message } = error as SocketError;
    if (code !== 'EPIPE' || !socket.readableEnded) throw new CommandFailure(describe(code, message));
  }
  await linkHost.settled();
}

function describe(code: string | undefined, message: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'The peer refuses the connection (ECONNREFUSED): nobody listens on that port.';
    case 'EHOSTUNREACH':
      return 'The peer cannot be reached (EHOSTUNREACH): check the addresses, and give --router for another network.';
    case 'ETIMEDOUT':
      return 'The peer does not answer (ETIMEDOUT).';
    case 'ECONNRESET':
      return 'The peer has reset the connection (ECONNRESET).';
    default:
      return message;
  }
}
