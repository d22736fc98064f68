/** poll and epoll_wait. */
import type { Attempt } from './calls.ts';
import { ScriptFailure } from './errors.ts';
import type { Machine } from './machine.ts';
import type { Expression } from './script.ts';
import { type Descriptor, EPOLL_DATA, type EpollMember, type EpollSet, failure, success } from './socket.ts';
import { type Arguments, constant } from './values.ts';

/** What is reported whether or not it was asked for. */
const ALWAYS = (constant('POLLERR') ?? 0) | (constant('POLLHUP') ?? 0) | (constant('POLLNVAL') ?? 0);

/** When a call with a timeout in milliseconds gives up; a negative one never does. */
function deadlineOf(machine: Machine, milliseconds: number): number {
  return milliseconds < 0 ? Number.POSITIVE_INFINITY : machine.now + milliseconds * 1000;
}

/** poll([{fd=…, events=…, revents=…}], n, timeout). */
export function pollAttempt(machine: Machine, args: Arguments, find: (fd: number) => Descriptor | null): Attempt {
  const list = args.at(0);
  if (list.kind !== 'list') return args.fail('takes a list, as [{fd=3, events=POLLIN, revents=POLLIN}]');
  const until = deadlineOf(machine, args.integer(2));
  return () => {
    let ready = 0;
    const found: number[] = [];
    for (const item of list.items) {
      const bits = find(numberIn(args, item, 'fd'))?.readiness ?? constant('POLLNVAL') ?? 0;
      const reported = bits & (numberIn(args, item, 'events') | ALWAYS);
      found.push(reported);
      if (reported !== 0) ready++;
    }
    if (ready === 0 && machine.now < until) {
      machine.wakeAt(until);
      return null;
    }
    list.items.forEach((item, index) => {
      const expected = args.member(item, 'revents');
      if (expected !== null && expected.kind !== 'any')
        checkBits(args, 'revents', args.numberOf(expected), found[index]);
    });
    return success(ready);
  };
}

const EPOLLET = constant('EPOLLET') ?? 0;
const EPOLLONESHOT = constant('EPOLLONESHOT') ?? 0;

/** What an epoll instance has to say of one member now; zero when nothing. */
function reportOf(member: EpollMember): number {
  const bits = member.socket.readiness & (member.events | ALWAYS);
  if (bits === 0 || member.isDisarmed) return 0;
  // Edge triggered: only what is new, be it a bit or more bytes to read.
  return member.events & EPOLLET && member.reported === activityOf(member, bits) ? 0 : bits;
}

function activityOf({ socket }: EpollMember, bits: number): string {
  return `${bits} ${socket.kind === 'socket' ? (socket.connection?.counters.bytesReceived ?? 0) : 0}`;
}

/** epoll_wait(fd, [{events=…, fd=…}], n, timeout). */
export function epollWaitAttempt(machine: Machine, args: Arguments, set: EpollSet): Attempt {
  const until = deadlineOf(machine, args.integer(3));
  const most = args.integer(2);
  if (most <= 0) return () => failure('EINVAL');
  return () => {
    const found: { readonly member: EpollMember; readonly bits: number }[] = [];
    for (const member of set.members.values()) {
      const bits = reportOf(member);
      if (bits !== 0 && found.length < most) found.push({ member, bits });
    }
    if (found.length === 0 && machine.now < until) {
      machine.wakeAt(until);
      return null;
    }
    for (const { member, bits } of found) {
      member.reported = activityOf(member, bits);
      if (member.events & EPOLLONESHOT) member.isDisarmed = true;
    }
    const list = args.at(1);
    const expected: readonly Expression[] = list.kind === 'list' ? list.items : list.kind === 'struct' ? [list] : [];
    expected.forEach((item, index) => {
      if (index < found.length) checkEvent(args, item, found[index].member, found[index].bits);
    });
    return success(found.length);
  };
}

/** What epoll_ctl was given with the member comes back. */
function checkEvent(args: Arguments, item: Expression, member: EpollMember, bits: number): void {
  const events = args.member(item, 'events');
  if (events !== null && events.kind !== 'any') checkBits(args, 'events', args.numberOf(events), bits);
  for (const name of EPOLL_DATA) {
    const wanted = args.member(item, name);
    if (wanted === null || wanted.kind === 'any') continue;
    const actual = name === 'fd' ? member.fd : member.data;
    if (args.numberOf(wanted) === actual) continue;
    throw new ScriptFailure(args.line, `${args.call}: expected ${name} ${args.numberOf(wanted)}, but got ${actual}`);
  }
}

function numberIn(args: Arguments, item: Expression, name: string): number {
  const value = args.member(item, name);
  return value === null ? args.fail(`misses ${name} in a structure`) : args.numberOf(value);
}

function checkBits(args: Arguments, what: string, expected: number, actual: number): void {
  if (expected >>> 0 === actual >>> 0) return;
  const hex = (bits: number): string => `0x${(bits >>> 0).toString(16)}`;
  throw new ScriptFailure(args.line, `${args.call}: expected ${what} ${hex(expected)}, but got ${hex(actual)}`);
}
