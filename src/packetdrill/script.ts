/** A parsed script: plain data. Times are microseconds, sequence numbers are those that the script writes. */

/** One `--name=value` line. */
export interface ScriptOption {
  readonly line: number;
  readonly name: string;
  /** Null when the option stands alone. */
  readonly value: string | null;
}

/** When an event happens. `start` and `end` are microseconds; `end` counts only in ranges. */
export interface EventTime {
  /** `relative` counts from the event before, `any` is `*`. */
  readonly kind: 'absolute' | 'relative' | 'any';
  readonly isRange: boolean;
  readonly start: number;
  readonly end: number;
}

/** One TCP option as written. Timestamps and SACK edges are relative numbers of the script. */
export type TcpOptionSpec =
  | { readonly kind: 'mss'; readonly value: number }
  | { readonly kind: 'wscale'; readonly value: number }
  | { readonly kind: 'sackOK' }
  | { readonly kind: 'sack'; readonly blocks: readonly (readonly [number, number])[] }
  /** `value` null: any; `echoAsIs`: the echo is a number of the wire and not one of the script. */
  | { readonly kind: 'TS'; readonly value: number | null; readonly echo: number; readonly echoAsIs?: boolean }
  | { readonly kind: 'nop' }
  | { readonly kind: 'eol' }
  /** A fast open cookie (RFC 7413): the option of its own, or the experimental one. */
  | { readonly kind: 'FO' | 'FOEXP'; readonly cookie: Uint8Array }
  /** Any other option: its number and the bytes after its length. */
  | { readonly kind: 'other'; readonly number: number; readonly data: Uint8Array };

/** What stands in square brackets before a packet: fields of the IP header. Null: not said. */
export interface IpAnnotation {
  /** The two ECN bits (RFC 3168 section 5): 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE; 'ect' for either ECT. */
  readonly ecn: 0 | 1 | 2 | 3 | 'ect' | null;
  /** The whole second byte. */
  readonly typeOfService: number | null;
  readonly timeToLive: number | null;
  readonly flowLabel: number | null;
}

export interface TcpPacketSpec {
  readonly kind: 'tcp';
  /** `TcpFlag` bits. */
  readonly flags: number;
  /** The count in the three bits AE, CWR and ECE (RFC 9768), written behind the flags: null compares them as flags. */
  readonly ace: number | null;
  /** The bit in front of CWR: AE, formerly NS. */
  readonly accurateEcn: boolean;
  /** Ports as written before the flags, `source > destination`; null: those of the connection under test. */
  readonly ports: { readonly source: number; readonly destination: number } | null;
  /** What `sequence` counts from: the SYN; nothing (`!`); or it does not matter (`...(len)`). */
  readonly numbering: 'relative' | 'absolute' | 'any';
  readonly sequence: number;
  readonly length: number;
  /** Null: no acknowledgment is written. */
  readonly acknowledgment: number | null;
  /** The 16 bits of the header. Null: not said. */
  readonly window: number | null;
  readonly urgentPointer: number | null;
  /** `any`: `<...>`, whatever options there are. */
  readonly options: readonly TcpOptionSpec[] | 'any';
  readonly ip: IpAnnotation;
}

/** The segment quoted in an ICMP error. */
export interface QuotedSegment {
  readonly sequence: number;
  readonly length: number;
}

/** Type and code of an ICMP message. */
export interface IcmpMessage {
  readonly type: number;
  readonly code: number;
}

export interface IcmpPacketSpec {
  readonly kind: 'icmp';
  /** What its names mean in either IP version; null where they mean nothing. */
  readonly ipv4: IcmpMessage | null;
  readonly ipv6: IcmpMessage | null;
  /** Next-hop MTU; 0 when not said. */
  readonly mtu: number;
  /** Null: the SYN, sequence number 0. */
  readonly quoted: QuotedSegment | null;
  readonly ip: IpAnnotation;
}

export type PacketSpec = TcpPacketSpec | IcmpPacketSpec;

/** A value in a system call. */
export type Expression =
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  /** A name with no number known to the parser: AF_INET, SO_REUSEADDR. */
  | { readonly kind: 'symbol'; readonly name: string }
  /** `...`: any value, or none. */
  | { readonly kind: 'any' }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'struct'; readonly entries: readonly StructEntry[] }
  /** htons(8080), inet_addr("1.2.3.4"). */
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[] }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Expression; readonly right: Expression };

export interface StructEntry {
  /** Null in a positional member. */
  readonly name: string | null;
  readonly value: Expression;
}

export type Action =
  | { readonly kind: 'packet'; readonly direction: 'in' | 'out'; readonly packet: PacketSpec }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly arguments: readonly Expression[];
      readonly result: Expression;
      /** Symbol of the error, as EAGAIN. */
      readonly error: string | null;
      /** When a blocking call returns, microseconds: absolute or relative as the event's time; null when it must not block. */
      readonly blocksUntil: number | null;
    }
  | { readonly kind: 'command'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string };

export interface ScriptEvent {
  readonly line: number;
  readonly time: EventTime;
  readonly action: Action;
}

export interface Script {
  readonly options: readonly ScriptOption[];
  /** Commands before the first event and after the last. */
  readonly setup: readonly { readonly line: number; readonly text: string }[];
  readonly events: readonly ScriptEvent[];
  readonly cleanup: readonly { readonly line: number; readonly text: string }[];
}
