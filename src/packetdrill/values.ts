/** The values of arguments: constants by name, sums, and what a call expects to find in them. */
import { ScriptSyntaxError } from './errors.ts';
import type { Expression } from './script.ts';
import { TCP_INFO_CONSTANTS } from './tcp-info.ts';

/** Numbers of constants, as Linux has them; scripts rarely see a number. */
const CONSTANTS: Readonly<Record<string, number>> = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_NONBLOCK: 0o4000,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  IPPROTO_IP: 0,
  IPPROTO_TCP: 6,
  IPPROTO_IPV6: 41,
  IPPROTO_UDP: 17,
  AF_INET: 2,
  PF_INET: 2,
  AF_INET6: 10,
  PF_INET6: 10,
  INADDR_ANY: 0,
  INADDR_LOOPBACK: 0x7f000001,
  SOMAXCONN: 4096,
  SHUT_RD: 0,
  SHUT_WR: 1,
  SHUT_RDWR: 2,
  MSG_OOB: 1,
  MSG_PEEK: 2,
  MSG_DONTROUTE: 4,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_EOR: 0x80,
  MSG_WAITALL: 0x100,
  MSG_NOSIGNAL: 0x4000,
  MSG_MORE: 0x8000,
  MSG_ERRQUEUE: 0x2000,
  MSG_ZEROCOPY: 0x4000000,
  MSG_FASTOPEN: 0x20000000,
  POLLIN: 1,
  POLLPRI: 2,
  POLLOUT: 4,
  POLLERR: 8,
  POLLHUP: 0x10,
  POLLNVAL: 0x20,
  POLLRDNORM: 0x40,
  POLLWRNORM: 0x100,
  POLLRDHUP: 0x2000,
  EPOLLIN: 1,
  EPOLLPRI: 2,
  EPOLLOUT: 4,
  EPOLLERR: 8,
  EPOLLHUP: 0x10,
  EPOLLRDNORM: 0x40,
  EPOLLWRNORM: 0x100,
  EPOLLRDHUP: 0x2000,
  EPOLLET: 0x80000000,
  EPOLLONESHOT: 0x40000000,
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLL_CTL_MOD: 3,
  IP_PMTUDISC_DONT: 0,
  IP_PMTUDISC_WANT: 1,
  IP_PMTUDISC_DO: 2,
  IP_PMTUDISC_PROBE: 3,
  SPLICE_F_MOVE: 1,
  SPLICE_F_NONBLOCK: 2,
  SPLICE_F_MORE: 4,
  SPLICE_F_GIFT: 8,
  MSG_CTRUNC: 8,
  MSG_CONFIRM: 0x800,
  MSG_CMSG_CLOEXEC: 0x40000000,
  MSG_EOF: 0x200,
  MSG_NBIO: 0x40,
  POLLRDBAND: 0x80,
  POLLWRBAND: 0x200,
  POLLMSG: 0x400,
  EPOLLRDBAND: 0x80,
  EPOLLWRBAND: 0x200,
  EPOLLMSG: 0x400,
  EPOLLEXCLUSIVE: 0x10000000,
  O_APPEND: 0o2000,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_CLOEXEC: 0o2000000,
  FD_CLOEXEC: 1,
  AF_UNSPEC: 0,
  SOCK_RAW: 3,
  SO_EE_ORIGIN_TIMESTAMPING: 4,
  SO_EE_ORIGIN_ZEROCOPY: 5,
  SO_EE_CODE_ZEROCOPY_COPIED: 1,
  SOF_TIMESTAMPING_TX_HARDWARE: 1,
  SOF_TIMESTAMPING_TX_SOFTWARE: 2,
  SOF_TIMESTAMPING_RX_HARDWARE: 4,
  SOF_TIMESTAMPING_RX_SOFTWARE: 8,
  SOF_TIMESTAMPING_SOFTWARE: 0x10,
  SOF_TIMESTAMPING_SYS_HARDWARE: 0x20,
  SOF_TIMESTAMPING_RAW_HARDWARE: 0x40,
  SOF_TIMESTAMPING_OPT_ID: 0x80,
  SOF_TIMESTAMPING_TX_SCHED: 0x100,
  SOF_TIMESTAMPING_TX_ACK: 0x200,
  SOF_TIMESTAMPING_OPT_CMSG: 0x400,
  SOF_TIMESTAMPING_OPT_TSONLY: 0x800,
  SOF_TIMESTAMPING_OPT_STATS: 0x1000,
  CAP_EFFECTIVE: 0,
  CAP_PERMITTED: 1,
  CAP_INHERITABLE: 2,
  CAP_SET: 1,
  CAP_CLEAR: 0,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_NET_BIND_SERVICE: 10,
  IPPROTO_ICMP: 1,
  IPPROTO_ICMPV6: 58,
  TCP_NLA_PAD: 0,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN: 8,
  NULL: 0,
};

/** The number of a constant, or undefined. */
export function constant(name: string): number | undefined {
  return CONSTANTS[name] ?? TCP_INFO_CONSTANTS[name];
}

/** Most bytes of one call. */
const MOST_BYTES = 0x1000_0000;

/** The arguments of one call. */
export class Arguments {
  readonly line: number;
  readonly call: string;
  private readonly list: readonly Expression[];

  constructor(line: number, call: string, list: readonly Expression[]) {
    this.line = line;
    this.call = call;
    this.list = list;
  }

  get count(): number {
    return this.list.length;
  }

  /** One argument as it is. */
  at(index: number): Expression {
    const argument = this.list[index];
    if (argument === undefined) this.fail(`has no argument ${index + 1}`);
    return argument;
  }

  /** The number of an argument. */
  integer(index: number): number {
    return this.numberOf(this.at(index));
  }

  /** A number of bytes: not negative, and no more than memory has. */
  bytes(index: number): number {
    return this.boundedBytes(this.integer(index));
  }

  boundedBytes(length: number): number {
    if (length >= 0 && length <= MOST_BYTES) return length;
    return this.fail(`is given ${length} bytes: 0 to ${MOST_BYTES} are possible`);
  }

  /** The number of an argument, or what to take for `...` or a missing one. */
  integerOr(index: number, otherwise: number): number {
    const argument = this.list[index];
    return argument === undefined || argument.kind === 'any' ? otherwise : this.numberOf(argument);
  }

  /** The name of a constant. */
  symbol(index: number): string {
    const argument = this.at(index);
    if (argument.kind === 'symbol') return argument.name;
    if (argument.kind === 'integer') return String(argument.value);
    return this.fail(`takes a name as argument ${index + 1}`);
  }

  /** The first number of `[n]`, or the number itself. */
  listed(index: number): number {
    const argument = this.at(index);
    if (argument.kind === 'list' && argument.items.length > 0) return this.numberOf(argument.items[0]);
    return this.numberOf(argument);
  }

  numberOf(expression: Expression): number {
    switch (expression.kind) {
      case 'integer':
        return expression.value;
      case 'symbol': {
        const value = constant(expression.name);
        return value ?? this.fail(`is given ${expression.name}, a constant that is not known`);
      }
      case 'call':
        if ((expression.name === 'htons' || expression.name === 'htonl') && expression.arguments.length === 1) {
          return this.numberOf(expression.arguments[0]);
        }
        return this.fail(`is given ${expression.name}(), which has no number`);
      case 'binary':
        return this.binary(expression.operator, this.numberOf(expression.left), this.numberOf(expression.right));
      default:
        return this.fail(`is given a ${expression.kind} where a number is needed`);
    }
  }

  private binary(operator: string, left: number, right: number): number {
    switch (operator) {
      case '|':
        return (left | right) >>> 0;
      case '&':
        return (left & right) >>> 0;
      case '<<':
        return left * 2 ** right;
      case '>>':
        return Math.floor(left / 2 ** right);
      case '+':
        return left + right;
      case '-':
        return left - right;
      case '*':
        return left * right;
      default:
        return Math.trunc(left / right);
    }
  }

  /** A member of a structure, or null. */
  member(structure: Expression, name: string): Expression | null {
    if (structure.kind !== 'struct') return null;
    return structure.entries.find((entry) => entry.name === name)?.value ?? null;
  }

  fail(message: string): never {
    throw new ScriptSyntaxError(this.line, `${this.call} ${message}`);
  }
}

/** An expression as a script writes it. */
export function formatExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'integer':
      return String(expression.value);
    case 'string':
      return JSON.stringify(expression.value);
    case 'symbol':
      return expression.name;
    case 'any':
      return '...';
    case 'list':
      return `[${expression.items.map(formatExpression).join(', ')}]`;
    case 'struct':
      return `{${expression.entries.map((entry) => `${entry.name === null ? '' : `${entry.name}=`}${formatExpression(entry.value)}`).join(', ')}}`;
    case 'call':
      return `${expression.name}(${expression.arguments.map(formatExpression).join(', ')})`;
    case 'binary':
      return `${formatExpression(expression.left)}${expression.operator}${formatExpression(expression.right)}`;
  }
}
