/** Targets for what is read from files and command lines: captures, scripts, options. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { parseAddress, parseHostAddress, parseLinkName, parsePort } from '../../src/cli/link-options.ts';
import {
  formatSize,
  parseDuration,
  parseEndpoint,
  parseProbability,
  parseRate,
  parseSize,
} from '../../src/cli/units.ts';
import { runScript } from '../../src/packetdrill/index.ts';
import { PcapngWriter } from '../../src/trace/index.ts';
import { readPcapng } from '../../src/trace/pcapng-reader.ts';
import { bytesOfText, check, type FuzzTarget, stateless } from '../engine/target.ts';
import { IPV4_FRAMES, words } from './frames.ts';

/** The project's folder, from sources and from where they were compiled to. */
function projectFolder(): string {
  return process.env['CHIMNEY_ROOT'] ?? dirname(dirname(dirname(fileURLToPath(import.meta.url))));
}

const PCAPNG_LIMIT = 4_000;

function capture(resolution: 'microseconds' | 'nanoseconds'): Uint8Array {
  const parts: number[] = [];
  const writer = new PcapngWriter((bytes) => parts.push(...bytes), {
    resolution,
    comment: 'a capture',
    application: 'x',
  });
  const port = writer.addInterface('eth0', 'a port');
  port.record(1, 'inbound', IPV4_FRAMES[2], 'a remark');
  port.record(2_000_000, 'outbound', IPV4_FRAMES[9]);
  return Uint8Array.from(parts);
}

export const pcapng: FuzzTarget = stateless(
  {
    name: 'pcapng',
    covers: 'captures in the pcapng format, of either byte order',
    shape: 'bytes',
    maximumLength: PCAPNG_LIMIT,
    dictionary: words(
      '0a0d0d0a',
      '4d3c2b1a',
      '1a2b3c4d',
      '00000001',
      '01000000',
      '06000000',
      '00000006',
      '0900010006000000',
      '0200040001000000',
      '09000100ff000000',
    ),
    seeds: () => [capture('microseconds'), capture('nanoseconds')],
  },
  (input) => {
    const { packets, interfaces, error } = readPcapng(input);
    check(interfaces.length <= input.length && packets.length <= input.length, 'more than there is');
    let total = 0;
    for (const packet of packets) {
      total += packet.frame.length;
      check(Number.isSafeInteger(packet.interfaceId) && packet.interfaceId < interfaces.length, 'an unknown interface');
      check(!Number.isNaN(packet.timeMicroseconds), 'a time that is no number');
    }
    check(total <= input.length, 'packets overlap');
    check(error === null || error.length > 0, 'an error without words');
  },
);

function files(folder: string, suffix: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(folder, name));
}

const SCRIPT_WORDS = [
  'socket(..., SOCK_STREAM, IPPROTO_TCP) = 3',
  'setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0',
  'bind(3, ..., ...) = 0',
  'listen(3, 1) = 0',
  'accept(3, ..., ...) = 4',
  'close(4) = 0',
  'shutdown(4, SHUT_WR) = 0',
  'write(4, ..., 1000) = 1000',
  'read(4, ..., 1000) = 1000',
  'S',
  'S.',
  'F.',
  'R',
  'P.',
  '.',
  'SEW',
  'win',
  'ack',
  'sack',
  'ecr',
  'TS val',
  'mss',
  'wscale',
  'sackOK',
  'nop',
  'eol',
  'FO',
  '<',
  '>',
  '+0',
  '+.1',
  '*',
  '0~+1',
  '...',
  '%{',
  '}%',
  '`',
  'icmp',
  'unreachable',
  'frag_needed mtu',
  '[ect0]',
  'assert',
  '~',
  '--tolerance_usecs=1',
] as const;

export const packetdrill: FuzzTarget = stateless(
  {
    name: 'packetdrill',
    covers: 'packetdrill scripts: their grammar, and the stack that they drive',
    shape: 'text',
    maximumLength: 4_000,
    dictionary: SCRIPT_WORDS.map(bytesOfText),
    seeds: () =>
      files(join(projectFolder(), 'tests', 'packetdrill', 'scripts'), '.pkt').map(
        (path) => new Uint8Array(readFileSync(path)),
      ),
  },
  (input) => {
    const { problem } = runScript(new TextDecoder().decode(input));
    check(problem === null || problem.message.length > 0, 'a problem without words');
  },
);

const OPTION_PARSERS: readonly ((text: string) => unknown)[] = [
  parseAddress,
  (text) => parseHostAddress(text),
  parseLinkName,
  parsePort,
  parseDuration,
  parseEndpoint,
  parseProbability,
  parseRate,
  (text) => formatSize(parseSize(text)),
];

export const options: FuzzTarget = stateless(
  {
    name: 'options',
    covers: 'addresses, links and quantities on the command line: a value in its bounds, or a sentence',
    shape: 'text',
    maximumLength: 200,
    dictionary: [
      'tap:',
      'macvtap:',
      'stream:',
      'listen:',
      '/24',
      '/128',
      '::',
      'MiB',
      'kbit',
      'ms',
      'µs',
      '[',
      ']',
      ':80',
      '0x',
      '1e9',
    ].map(bytesOfText),
    seeds: () =>
      [
        '10.77.0.2/24',
        'fd00:77::2/64',
        'tap:chimney0',
        'stream:listen:/tmp/x',
        '64MiB',
        '2ms',
        '100Mbit',
        '0.01',
        '[::1]:80',
        '127.0.0.1:8080',
        '65535',
      ].map(bytesOfText),
  },
  (input) => {
    const text = new TextDecoder().decode(input);
    for (const parse of OPTION_PARSERS) {
      try {
        const value = parse(text);
        check(value !== undefined && !Number.isNaN(value), `${JSON.stringify(text)} was read as ${value}`);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        check(error.message.length > 10, 'a refusal without words');
      }
    }
  },
);
