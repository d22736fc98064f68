/** ICMP messages as scripts write them: `icmp unreachable frag_needed mtu 1200 [1:1001(1000)]`. */
import { Icmpv4Type, Icmpv6Type, Icmpv6UnreachableCode, UnreachableCode } from '../wire/index.ts';
import { parseQuoted } from './parse-sequence.ts';
import type { Scanner } from './scanner.ts';
import type { IcmpMessage, IcmpPacketSpec, QuotedSegment } from './script.ts';

/** A type by its name, with the names of its codes. */
interface TypeNames {
  readonly type: number;
  readonly codes: Readonly<Record<string, number>>;
}

const NO_CODES = {};

const ICMPV4: Readonly<Record<string, TypeNames>> = {
  unreachable: {
    type: Icmpv4Type.DESTINATION_UNREACHABLE,
    codes: {
      net_unreachable: UnreachableCode.NETWORK,
      host_unreachable: UnreachableCode.HOST,
      protocol_unreachable: UnreachableCode.PROTOCOL,
      port_unreachable: UnreachableCode.PORT,
      frag_needed: UnreachableCode.FRAGMENTATION_NEEDED,
      source_route_failed: UnreachableCode.SOURCE_ROUTE_FAILED,
      net_unknown: 6,
      host_unknown: 7,
      source_host_isolated: 8,
      net_prohibited: 9,
      host_prohibited: 10,
      net_unreachable_for_tos: 11,
      host_unreachable_for_tos: 12,
      packet_filtered: UnreachableCode.ADMINISTRATIVELY_PROHIBITED,
      precedence_violation: 14,
      precedence_cutoff: 15,
    },
  },
  source_quench: { type: Icmpv4Type.SOURCE_QUENCH, codes: NO_CODES },
  redirect: { type: Icmpv4Type.REDIRECT, codes: NO_CODES },
  time_exceeded: { type: Icmpv4Type.TIME_EXCEEDED, codes: NO_CODES },
  parameter_problem: { type: Icmpv4Type.PARAMETER_PROBLEM, codes: NO_CODES },
};

const ICMPV6: Readonly<Record<string, TypeNames>> = {
  unreachable: {
    type: Icmpv6Type.DESTINATION_UNREACHABLE,
    codes: {
      net_unreachable: Icmpv6UnreachableCode.NO_ROUTE,
      no_route: Icmpv6UnreachableCode.NO_ROUTE,
      admin_prohibited: Icmpv6UnreachableCode.ADMINISTRATIVELY_PROHIBITED,
      beyond_scope: Icmpv6UnreachableCode.BEYOND_SCOPE,
      not_neighbour: Icmpv6UnreachableCode.BEYOND_SCOPE,
      addr_unreachable: Icmpv6UnreachableCode.ADDRESS,
      address_unreachable: Icmpv6UnreachableCode.ADDRESS,
      port_unreachable: Icmpv6UnreachableCode.PORT,
    },
  },
  packet_too_big: { type: Icmpv6Type.PACKET_TOO_BIG, codes: NO_CODES },
  time_exceeded: {
    type: Icmpv6Type.TIME_EXCEEDED,
    codes: { exceeded_hop_limit: 0, exceeded_frag_time: 1 },
  },
  parameter_problem: {
    type: Icmpv6Type.PARAMETER_PROBLEM,
    codes: { header_field: 0, unknown_next_header: 1, unknown_option: 2 },
  },
};

/** Messages that are known and are no errors about a segment. */
const UNSUPPORTED = /^(?:echo_request|echo_reply|(?:timestamp|information|address_mask)_(?:request|reply))$/;

const CODE_NAME = /(?!mtu\b|id\b)[a-z]\w*/y;

/** An ICMP message after the word `icmp`. `before`: the segment quoted in front of it. @throws ScriptSyntaxError */
export function parseIcmp(scanner: Scanner, before: QuotedSegment | null): Omit<IcmpPacketSpec, 'ip'> {
  const name = scanner.name('the type of the ICMP message');
  if (UNSUPPORTED.test(name)) scanner.fail(`the ICMP type ${name} is not supported: only errors are; next`);
  const codeName = scanner.looksLike(/\d/y) ? String(scanner.integer('the code')) : scanner.take(CODE_NAME);
  const ipv4 = message(ICMPV4, name, codeName);
  const ipv6 = message(ICMPV6, name, codeName);
  if (ipv4 === null && ipv6 === null) {
    scanner.fail(`the ICMP message ${name}${codeName === null ? '' : ` ${codeName}`} is not known; next`);
  }
  const mtu = scanner.acceptWord('mtu') ? scanner.integer('the MTU') : 0;
  if (scanner.acceptWord('id')) scanner.fail('echo requests and replies are not supported; next');
  if (scanner.looksLike(/\[\s*(?:udp|udplite|sctp|raw)\b/y)) {
    scanner.fail('an ICMP message can quote nothing but a TCP segment; next');
  }
  return { kind: 'icmp', ipv4, ipv6, mtu, quoted: scanner.sees('[') ? parseQuoted(scanner) : before };
}

/** Names, or `type_3 code_4` as tcpdump prints what has no name. */
function message(
  names: Readonly<Record<string, TypeNames>>,
  name: string,
  codeName: string | null,
): IcmpMessage | null {
  const numbered = /^type_(\d{1,3})$/.exec(name);
  const known = names[name];
  const type = numbered !== null ? Number(numbered[1]) : known?.type;
  if (type === undefined || type > 255) return null;
  const digits = /^(?:code_)?(\d{1,3})$/.exec(codeName ?? '0');
  const code = digits !== null ? Number(digits[1]) : known?.codes[codeName ?? ''];
  return code === undefined || code > 255 ? null : { type, code };
}
