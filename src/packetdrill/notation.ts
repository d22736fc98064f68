/** Packets in the notation of scripts, for error messages and transcripts. */
import { TcpFlag } from '../wire/index.ts';
import type { IcmpPacketSpec, IpAnnotation, PacketSpec, TcpOptionSpec, TcpPacketSpec } from './script.ts';

const LETTERS: readonly (readonly [number, string])[] = [
  [TcpFlag.FIN, 'F'],
  [TcpFlag.SYN, 'S'],
  [TcpFlag.RST, 'R'],
  [TcpFlag.PSH, 'P'],
  [TcpFlag.URG, 'U'],
  [TcpFlag.ECE, 'E'],
  [TcpFlag.CWR, 'W'],
  [TcpFlag.ACK, '.'],
];

/** The flags as letters; `-` for none. */
export function formatFlags(flags: number): string {
  const letters = LETTERS.filter(([bit]) => flags & bit).map(([, letter]) => letter);
  return letters.length === 0 ? '-' : letters.join('');
}

/** Sequence numbers and timestamps are unsigned in scripts. */
export function unsigned(value: number): number {
  return value >>> 0;
}

export function formatPacket(packet: PacketSpec): string {
  return packet.kind === 'tcp' ? formatTcp(packet) : formatIcmp(packet);
}

function formatTcp(packet: TcpPacketSpec): string {
  const { flags, ports, numbering, sequence, length, acknowledgment, window, urgentPointer, options, ip } = packet;
  const between = ports === null ? '' : `${ports.source} > ${ports.destination} `;
  const numbers = numbering === 'any' ? `...(${length})` : formatSequence(sequence, length);
  const parts = [`${formatAnnotation(ip)}${between}${formatFlags(flags)}${packet.ace ?? ''} ${numbers}`];
  if (acknowledgment !== null) parts.push(`ack ${unsigned(acknowledgment)}`);
  if (window !== null) parts.push(`win ${window}`);
  if (urgentPointer !== null) parts.push(`urg ${urgentPointer}`);
  if (options === 'any') parts.push('<...>');
  else if (options.length > 0) parts.push(`<${options.map(formatOption).join(',')}>`);
  return parts.join(' ');
}

function formatSequence(sequence: number, length: number): string {
  return `${unsigned(sequence)}:${unsigned(sequence + length)}(${length})`;
}

export function formatOption(option: TcpOptionSpec): string {
  switch (option.kind) {
    case 'mss':
    case 'wscale':
      return `${option.kind} ${option.value}`;
    case 'sack':
      return `sack ${option.blocks.map(([left, right]) => `${unsigned(left)}:${unsigned(right)}`).join(' ')}`;
    case 'TS':
      return `TS val ${option.value === null ? '...' : unsigned(option.value)} ecr ${unsigned(option.echo)}`;
    case 'FO':
    case 'FOEXP':
      return `${option.kind} ${hex(option.cookie)}`;
    case 'other':
      return `option ${option.number} ${hex(option.data)}`;
    default:
      return option.kind;
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const ECN = ['noecn', 'ect1', 'ect0', 'ce'] as const;

function formatAnnotation(ip: IpAnnotation): string {
  const parts: string[] = [];
  if (ip.ecn !== null) parts.push(ip.ecn === 'ect' ? 'ect01' : ECN[ip.ecn]);
  if (ip.typeOfService !== null) parts.push(`tos 0x${ip.typeOfService.toString(16)}`);
  if (ip.timeToLive !== null) parts.push(`ttl ${ip.timeToLive}`);
  if (ip.flowLabel !== null) parts.push(`flowlabel 0x${ip.flowLabel.toString(16)}`);
  return parts.length === 0 ? '' : `[${parts.join(',')}] `;
}

function formatIcmp(packet: IcmpPacketSpec): string {
  const mtu = packet.mtu > 0 ? ` mtu ${packet.mtu}` : '';
  const quoted = packet.quoted === null ? '' : ` [${formatSequence(packet.quoted.sequence, packet.quoted.length)}]`;
  const { type, code } = packet.ipv4 ?? packet.ipv6 ?? { type: 0, code: 0 };
  return `icmp type_${type} code_${code}${mtu}${quoted}`;
}

/** A time of the script in seconds, as scripts write it. */
export function formatSeconds(microseconds: number): string {
  return (microseconds / 1_000_000).toFixed(6);
}
