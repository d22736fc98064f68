/** Compares a segment that left the stack with what the script expects. */
import { TcpFlag } from '../wire/index.ts';
import type { Flow } from './flow.ts';
import { formatFlags, formatOption, unsigned } from './notation.ts';
import type { TcpOptionSpec, TcpPacketSpec } from './script.ts';
import type { SentSegment } from './sent.ts';
import type { Settings } from './settings.ts';

/** A sent segment in the numbers of the script. */
export function toScript(segment: SentSegment, flow: Flow): TcpPacketSpec {
  return {
    kind: 'tcp',
    flags: segment.flags,
    ace: null,
    accurateEcn: segment.accurateEcn,
    ports: null,
    numbering: 'relative',
    sequence: unsigned(flow.sequence.toScript(segment.sequence)),
    length: segment.length,
    acknowledgment: segment.flags & TcpFlag.ACK ? unsigned(segment.acknowledgment) : null,
    window: segment.window,
    urgentPointer: segment.urgentPointer > 0 ? segment.urgentPointer : null,
    options: segment.options.map((option) => optionToScript(option, flow)),
    ip: { ecn: null, typeOfService: null, timeToLive: null, flowLabel: null },
  };
}

function optionToScript(option: TcpOptionSpec, flow: Flow): TcpOptionSpec {
  if (option.kind !== 'TS' || option.value === null) return option;
  return { kind: 'TS', value: unsigned(flow.timestamp.toScript(option.value)), echo: unsigned(option.echo) };
}

/** Learns from an expected segment what numbers of the script stand for on the wire. */
export function learn(expected: TcpPacketSpec, segment: SentSegment, flow: Flow): void {
  if (expected.flags & TcpFlag.SYN && segment.flags & TcpFlag.SYN && flow.localSyn !== segment.sequence) {
    flow.sequence.learn(expected.sequence, segment.sequence);
    flow.localSyn = segment.sequence;
  }
  if (expected.options === 'any') return;
  const wanted = timestampOf(expected.options);
  const actual = timestampOf(segment.options);
  if (wanted !== null && actual !== null) flow.learnTimestamp(wanted, actual);
}

function timestampOf(options: readonly TcpOptionSpec[]): number | null {
  return options.find((option) => option.kind === 'TS')?.value ?? null;
}

/** What differs in the bits that a count of RFC 9768 takes up; null when nothing does. */
function aceDifference(expected: TcpPacketSpec, segment: SentSegment): string | null {
  if (expected.ace === null) {
    return expected.accurateEcn === segment.accurateEcn ? null : 'the bit AE is another';
  }
  const { flags } = segment;
  const ace = (segment.accurateEcn ? 4 : 0) | (flags & TcpFlag.CWR ? 2 : 0) | (flags & TcpFlag.ECE ? 1 : 0);
  return ace === expected.ace ? null : `the ACE count is ${ace} and not ${expected.ace}`;
}

/** What is wrong with a segment, in a few words; null when it is as expected. */
export function difference(
  expected: TcpPacketSpec,
  segment: SentSegment,
  flow: Flow,
  settings: Settings,
): string | null {
  const actual = toScript(segment, flow);
  const push = settings.personality.comparesPush ? 0 : TcpFlag.PSH;
  const ignored = push | (expected.ace === null ? 0 : TcpFlag.CWR | TcpFlag.ECE);
  if ((expected.flags ^ actual.flags) & ~ignored) {
    return `the flags are ${formatFlags(actual.flags)} and not ${formatFlags(expected.flags)}`;
  }
  const ace = aceDifference(expected, segment);
  if (ace !== null) return ace;
  const sequence = expected.numbering === 'absolute' ? unsigned(segment.sequence) : actual.sequence;
  if (expected.numbering !== 'any' && unsigned(expected.sequence) !== sequence) {
    return `the sequence number is ${sequence} and not ${unsigned(expected.sequence)}`;
  }
  if (expected.length !== actual.length) return `it carries ${actual.length} bytes and not ${expected.length}`;
  const acknowledges = expected.acknowledgment !== null && (expected.flags & TcpFlag.ACK) !== 0;
  if (acknowledges && unsigned(expected.acknowledgment ?? 0) !== actual.acknowledgment) {
    return `it acknowledges ${actual.acknowledgment ?? 'nothing'} and not ${unsigned(expected.acknowledgment ?? 0)}`;
  }
  if (expected.window !== null && expected.window !== actual.window) {
    return `the window is ${actual.window} and not ${expected.window}`;
  }
  if (expected.urgentPointer !== null && expected.urgentPointer !== segment.urgentPointer) {
    return `the urgent pointer is ${segment.urgentPointer} and not ${expected.urgentPointer}`;
  }
  return annotationDifference(expected, segment) ?? optionsDifference(expected, actual, settings);
}

function annotationDifference(expected: TcpPacketSpec, segment: SentSegment): string | null {
  const { ecn, typeOfService, timeToLive, flowLabel } = expected.ip;
  const bits = segment.typeOfService & 3;
  if (ecn === 'ect' ? bits !== 1 && bits !== 2 : ecn !== null && ecn !== bits) return `the ECN bits are ${bits}`;
  if (typeOfService !== null && typeOfService !== segment.typeOfService) {
    return `the type of service is 0x${segment.typeOfService.toString(16)} and not 0x${typeOfService.toString(16)}`;
  }
  if (flowLabel !== null && flowLabel !== segment.flowLabel) return `the flow label is ${segment.flowLabel}`;
  if (timeToLive !== null && timeToLive !== segment.timeToLive) {
    return `the time to live is ${segment.timeToLive} and not ${timeToLive}`;
  }
  return null;
}

function optionsDifference(expected: TcpPacketSpec, actual: TcpPacketSpec, settings: Settings): string | null {
  if (expected.options === 'any' || actual.options === 'any') return null;
  const list = (options: readonly TcpOptionSpec[]): string => `<${options.map(formatOption).join(',')}>`;
  const whole = `the options are ${list(actual.options)} and not ${list(expected.options)}`;
  if (expected.options.length !== actual.options.length) return whole;
  for (let i = 0; i < expected.options.length; i++) {
    if (!sameOption(expected.options[i], actual.options[i], settings)) return whole;
  }
  return null;
}

function sameOption(expected: TcpOptionSpec, actual: TcpOptionSpec, settings: Settings): boolean {
  if (expected.kind !== 'TS' || actual.kind !== 'TS') return formatOption(expected) === formatOption(actual);
  if (settings.timestampTick === 0 || expected.value === null || actual.value === null) return true;
  const off = Math.abs((expected.value - actual.value) | 0) * settings.timestampTick;
  return off <= settings.tolerance && unsigned(expected.echo) === unsigned(actual.echo);
}

/** Joins a segment with the one that continues it, as segmentation offload would have sent them. */
export function join(first: SentSegment, second: SentSegment): SentSegment | null {
  const continues = ((first.sequence + first.length) | 0) === second.sequence && second.length > 0 && first.length > 0;
  const special = TcpFlag.SYN | TcpFlag.RST | TcpFlag.FIN;
  const isSame = first.remotePort === second.remotePort && first.acknowledgment === second.acknowledgment;
  if (!continues || !isSame || first.flags & special || first.at !== second.at) return null;
  return { ...first, flags: first.flags | second.flags, length: first.length + second.length };
}

/** A segment that says nothing but how far the stack has received. */
export function isPureAck(segment: { readonly flags: number; readonly length: number }): boolean {
  return (segment.flags & ~TcpFlag.ECE) === TcpFlag.ACK && segment.length === 0;
}
