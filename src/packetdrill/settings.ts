/** What a run of a script begins with: the personality, the script's options, the command line, and the commands. */
import type { ConnectionOptions } from '../host/index.ts';
import type { TcpParameters } from '../tcp/index.ts';
import { IpAddress } from '../wire/index.ts';
import { ScriptSyntaxError } from './errors.ts';
import { type Personality, type PersonalityName, personalities } from './personality.ts';
import type { ScriptOption } from './script.ts';

/** Everything that can be set before a run; some of it by commands during it. Times are microseconds. */
export interface Settings {
  personality: Personality;
  /** Settings of both engines. */
  parameters: Partial<TcpParameters>;
  connection: ConnectionOptions;
  receiveBufferBytes: number;
  sendBufferBytes: number;
  mtu: number;
  localAddress: IpAddress;
  remoteAddress: IpAddress;
  gatewayAddress: IpAddress;
  prefixLength: number;
  /** The port that bind means, and the peer's port that connect means. */
  bindPort: number;
  connectPort: number;
  /** How far from its time an event may lie, microseconds; or, when that is more, this part of the time since the event before. */
  tolerance: number;
  tolerancePercent: number;
  /** Microseconds that one step of a timestamp stands for; 0: timestamps are not compared. */
  timestampTick: number;
  /** Keepalive of a socket that says no more than that it wants it: seconds, seconds, count. */
  keepAlive: { keepAliveIdle: number; keepAliveInterval: number; keepAliveProbes: number };
  /** RFC 4821 section 7.7. */
  blackHoleDetection: boolean;
  /** Kinds of deviation that do not fail a script. */
  nonFatal: { packet: boolean; call: boolean };
  /** Segments that follow each other count as one when the script wrote one. */
  segmentationOffload: boolean;
  /** Decides every random number of the stack. */
  seed: number;
}

/** The settings of a personality before any option was read. */
export function defaultSettings(name: PersonalityName): Settings {
  const personality = personalities[name];
  return {
    personality,
    parameters: { ...personality.parameters },
    connection: { ...personality.connection },
    receiveBufferBytes: personality.receiveBufferBytes,
    sendBufferBytes: personality.sendBufferBytes,
    mtu: 1500,
    localAddress: address('192.168.0.1'),
    remoteAddress: address('192.0.2.1'),
    gatewayAddress: address('192.168.0.2'),
    prefixLength: IPV4_PREFIX_LENGTH,
    bindPort: 8080,
    connectPort: 8080,
    tolerance: 4000,
    tolerancePercent: personality.tolerancePercent,
    timestampTick: 0,
    keepAlive: { keepAliveIdle: 7200, keepAliveInterval: 75, keepAliveProbes: 9 },
    blackHoleDetection: personality.blackHoleDetection,
    nonFatal: { packet: false, call: false },
    segmentationOffload: personality.segmentationOffload,
    seed: 1,
  };
}

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === null) throw new Error(`${text} is no address`);
  return parsed;
}

/** Bits of the network of the IPv4 addresses that a run has when it names none. */
const IPV4_PREFIX_LENGTH = 16;

/** Addresses of a run over IPv6 that names none. */
const IPV6_ADDRESSES = {
  localAddress: address('fd3d:a0b:17d6::1'),
  remoteAddress: address('fd3d:a0b:17d6:8888::1'),
  gatewayAddress: address('fd3d:a0b:17d6::2'),
  prefixLength: 64,
};

/** Names that options define are put into the text when it is parsed. */
const DEFINITIONS = new Set(['define', 'D']);

/** Options of the reference tool that say how its surroundings are set up and mean nothing on a virtual wire. */
const WITHOUT_MEANING = new Set([
  'code_command',
  'code_format',
  'code_sockopt',
  'dry_run',
  'verbose',
  'debug',
  'speed',
  'persistent_tun_dev',
  'tun_dev',
  'wire_client',
  'wire_server',
  'wire_server_ip',
  'wire_server_port',
  'wire_server_dev',
  'wire_client_dev',
  'no_cleanup',
  'init_scripts',
  'is_anyip',
  'send_omit_free',
  'tcp_ts_ecr_scaled',
  'fm_filename',
  // The size into which a real device cuts what is injected: here segments arrive as they are written.
  'mss',
  'v',
  'local_ipv6',
  'fd_so_file',
  'so_filename',
  'so_flags',
  'udp_encapsulation',
  'local_udp_encapsulation_port',
  'remote_udp_encapsulation_port',
]);

/** Obeys one option. @throws ScriptSyntaxError */
export function applyOption(settings: Settings, option: ScriptOption): void {
  const { line, name } = option;
  switch (name) {
    case 'ip_version':
      if (option.value === 'ipv6') Object.assign(settings, IPV6_ADDRESSES);
      else if (option.value !== 'ipv4' && option.value !== 'ipv4-mapped-ipv6') {
        throw wrongValue(option, 'ipv4, ipv4-mapped-ipv6 or ipv6');
      }
      return;
    case 'tolerance_usecs':
      settings.tolerance = integer(option, 0, 60_000_000);
      return;
    case 'tolerance_percent':
      settings.tolerancePercent = decimal(option, 0, 100);
      return;
    case 'tcp_ts_tick_usecs':
      settings.timestampTick = integer(option, 0, 1_000_000);
      return;
    case 'strict_segments':
      settings.segmentationOffload = false;
      return;
    case 'bind_port':
      settings.bindPort = integer(option, 1, 65535);
      return;
    case 'connect_port':
      settings.connectPort = integer(option, 1, 65535);
      return;
    case 'mtu':
      settings.mtu = integer(option, 68, 65535);
      return;
    case 'local_ip':
      settings.localAddress = ipAddress(option);
      return;
    case 'remote_ip':
      settings.remoteAddress = ipAddress(option);
      return;
    case 'gateway_ip':
      settings.gatewayAddress = ipAddress(option);
      return;
    case 'netmask_ip':
      settings.prefixLength = 32 - Math.log2(2 ** 32 - (ipv4(option).word0 >>> 0));
      if (!Number.isInteger(settings.prefixLength)) throw wrongValue(option, 'a netmask');
      return;
    case 'non_fatal':
      nonFatal(settings, option);
      return;
    case 'seed':
      settings.seed = integer(option, 0, 0x7fffffff);
      return;
    default:
      if (WITHOUT_MEANING.has(name) || DEFINITIONS.has(name)) return;
      throw new ScriptSyntaxError(line, `--${name} is no option of a script: see the documentation for those that are`);
  }
}

/**
 * What several options say together: addresses of one family, and a network that one of them can lie in.
 *
 * @throws ScriptSyntaxError on the line of the last option
 */
export function checkSettings(settings: Settings, line: number): void {
  const { localAddress, remoteAddress } = settings;
  if (remoteAddress.family !== localAddress.family) {
    throw new ScriptSyntaxError(
      line,
      `${localAddress} cannot reach ${remoteAddress}: give both addresses of one family`,
    );
  }
  if (localAddress.family === 4 && settings.prefixLength > 32) settings.prefixLength = IPV4_PREFIX_LENGTH;
}

function nonFatal(settings: Settings, option: ScriptOption): void {
  for (const kind of (option.value ?? 'packet,syscall').split(',')) {
    if (kind === 'packet') settings.nonFatal.packet = true;
    else if (kind === 'syscall') settings.nonFatal.call = true;
    else throw wrongValue(option, 'packet, syscall or both');
  }
}

function decimal(option: ScriptOption, least: number, most: number): number {
  const value = /^\d+(?:\.\d+)?$/.test(option.value ?? '') ? Number(option.value) : Number.NaN;
  if (!(value >= least && value <= most)) throw wrongValue(option, `a number from ${least} to ${most}`);
  return value;
}

function integer(option: ScriptOption, least: number, most: number): number {
  const value = /^\d+$/.test(option.value ?? '') ? Number(option.value) : Number.NaN;
  if (!(value >= least && value <= most)) throw wrongValue(option, `a whole number from ${least} to ${most}`);
  return value;
}

function ipAddress(option: ScriptOption): IpAddress {
  return IpAddress.parse((option.value ?? '').replace(/\/\d+$/, '')) ?? failAddress(option);
}

function failAddress(option: ScriptOption): never {
  throw wrongValue(option, 'an IP address');
}

function ipv4(option: ScriptOption): IpAddress {
  const parsed = IpAddress.parse(option.value ?? '');
  if (parsed === null || parsed.family !== 4) throw wrongValue(option, 'an IPv4 address');
  return parsed;
}

function wrongValue(option: ScriptOption, wanted: string): ScriptSyntaxError {
  return new ScriptSyntaxError(option.line, `--${option.name}=${option.value ?? ''}: give ${wanted}`);
}
