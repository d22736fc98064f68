/** Options of the commands that run a host on a link of this machine. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { IpAddress } from '../wire/index.ts';
import { parseInteger } from './units.ts';

/** Which link: its kind, and the name of the interface or the path of the socket. */
export interface LinkName {
  readonly kind: 'tap' | 'macvtap' | 'stream';
  readonly name: string;
}

/** An address of the host with the prefix of its network. */
export interface HostAddress {
  readonly address: string;
  readonly prefixLength: number;
}

/** The options as commander gives them. */
export interface LinkOptions {
  readonly link?: LinkName;
  readonly address?: readonly HostAddress[];
  readonly router?: readonly string[];
  readonly mtu?: number;
  readonly pcap?: string;
  /** False after `--no-segmentation`. */
  readonly segmentation: boolean;
}

/** What the help of a command says about links. */
export const LINK_HELP = `
Links:
  tap:NAME        a TAP interface; it is made, and vanishes with the command (needs root or CAP_NET_ADMIN)
  macvtap:NAME    a macvtap interface that exists
  stream:PATH     a UNIX stream socket with length-prefixed frames, as qemu -netdev stream and passt have it
  stream:listen:PATH   the same, listening for one peer`;

const KINDS = ['tap', 'macvtap', 'stream'] as const;

/** `KIND:NAME`. */
export function parseLinkName(text: string): LinkName {
  const at = text.indexOf(':');
  const kind = KINDS.find((known) => known === text.slice(0, at));
  const name = text.slice(at + 1);
  if (at < 0 || kind === undefined || name === '') {
    throw new InvalidArgumentError('Use tap:NAME, macvtap:NAME or stream:PATH.');
  }
  return { kind, name };
}

/** `ADDRESS/PREFIX`, given once or more often. */
export function parseHostAddress(text: string, before: readonly HostAddress[] = []): readonly HostAddress[] {
  const [address, prefix, ...rest] = text.split('/');
  const parsed = IpAddress.parse(address);
  const prefixLength = Number(prefix);
  const longest = parsed?.family === 6 ? 128 : 32;
  if (parsed === null || rest.length > 0 || !/^\d{1,3}$/.test(prefix ?? '') || prefixLength > longest) {
    throw new InvalidArgumentError('Use ADDRESS/PREFIX, for example 10.77.0.2/24.');
  }
  return [...before, { address, prefixLength }];
}

/** An IP address as numbers. */
export function parseAddress(text: string): string {
  if (IpAddress.parse(text) === null) throw new InvalidArgumentError('Use numbers, for example 10.77.0.1.');
  return text;
}

/** As `parseAddress`, given once or more often. */
function parseAddresses(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseAddress(text)];
}

/** A port to connect to, or to listen on. */
export const parsePort = parseInteger(1, 65_535);

/** Adds the options to a command; where a link is `required` the command has no other way out. */
export function addLinkOptions(command: Command, required: boolean): Command {
  const link = new Option('--link <kind:name>', 'run the host on this link').argParser(parseLinkName);
  const address = new Option(
    '--address <address/prefix>',
    'IP address of the host on the link, with its network; may be repeated',
  );
  return command
    .addOption(link.makeOptionMandatory(required))
    .addOption(address.argParser(parseHostAddress).makeOptionMandatory(required))
    .option('--router <address>', 'IP address of the default router on the link; one per family', parseAddresses)
    .option('--mtu <bytes>', 'largest IP packet of the link', parseInteger(576, 65_535))
    .option('--pcap <file>', 'record what passes the link; segments are cut by the host then')
    .option('--no-segmentation', 'cut segments and sum checksums in the host, not in the kernel');
}
