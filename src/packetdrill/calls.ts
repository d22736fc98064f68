/** System calls of a script: each becomes an attempt that is repeated until it does not block any more. */
import { ScriptFailure } from './errors.ts';
import { OpenFile, PipeContents, PipeEnd } from './files.ts';
import type { Machine } from './machine.ts';
import { epollWaitAttempt, pollAttempt } from './polling.ts';
import type { Expression } from './script.ts';
import type { Settings } from './settings.ts';
import { type Descriptor, EPOLL_DATA, EpollSet, failure, type Outcome, success, TcpSocket } from './socket.ts';
import { getSocketOption, setSocketOption } from './socket-options.ts';
import { dataOf, messageLength, receiveAttempt, sendAttempt, spliceAttempt, vectorLength } from './transfer.ts';
import { Arguments, constant, formatExpression } from './values.ts';

/** Answers the outcome, or null while the call would block. */
export type Attempt = () => Outcome | null;

/** What the runner is told of calls that begin a connection. */
export interface CallObserver {
  listening(port: number): void;
  connecting(socket: TcpSocket): boolean;
}

const EPOLL_CTL_ADD = constant('EPOLL_CTL_ADD') ?? 0;
const EPOLL_CTL_DEL = constant('EPOLL_CTL_DEL') ?? 0;
const O_NONBLOCK = constant('O_NONBLOCK') ?? 0;

/** The lowest descriptor that a process gets after its standard three. */
const FIRST_DESCRIPTOR = 3;

/** The process under test: its descriptors and its calls. */
export class Process {
  private readonly machine: Machine;
  private readonly settings: Settings;
  private readonly observer: CallObserver;
  private readonly table = new Map<number, Descriptor>();
  /** The socket that was used last: assertions are about its connection. */
  current: TcpSocket | null = null;

  constructor(machine: Machine, settings: Settings, observer: CallObserver) {
    this.machine = machine;
    this.settings = settings;
    this.observer = observer;
  }

  /** Puts a descriptor into the table: under the number that the script expects, if it is free. */
  install(descriptor: Descriptor, wanted: number): number {
    let number = wanted;
    if (number < 0 || this.table.has(number)) {
      number = FIRST_DESCRIPTOR;
      while (this.table.has(number)) number++;
    }
    this.table.set(number, descriptor);
    return number;
  }

  /** The socket that is opening a connection, or null. */
  get connecting(): TcpSocket | null {
    return this.sockets().find((socket) => socket.connection !== null && !socket.isConnected && !socket.isOver) ?? null;
  }

  /** All sockets, the ones that are closed excluded. */
  sockets(): TcpSocket[] {
    return [...this.table.values()].filter((descriptor) => descriptor.kind === 'socket');
  }

  /** Begins a call. @throws ScriptSyntaxError when there is no such call. */
  begin(line: number, name: string, list: readonly Expression[]): Attempt {
    const args = new Arguments(line, name, list);
    switch (name) {
      case 'socket':
        return this.socket(args);
      case 'epoll_create':
      case 'epoll_create1':
        return once(() => ({ ...success(), descriptor: new EpollSet() }));
      case 'poll':
        return pollAttempt(this.machine, args, (fd) => this.find(fd));
      case 'epoll_ctl':
        return once(() => this.epollControl(args));
      case 'epoll_wait':
      case 'epoll_pwait':
        return this.epollWait(args);
      case 'open':
        return once(() => ({ ...success(), descriptor: new OpenFile() }));
      case 'pipe':
      case 'pipe2':
        return this.pipe(args);
      case 'splice':
        return this.splice(args);
      case 'cap_set':
        return once(() => success());
      default:
        return this.onSocket(args, name);
    }
  }

  private onSocket(args: Arguments, name: string): Attempt {
    const fd = args.integer(0);
    const descriptor = this.find(fd);
    if (descriptor === null) return once(() => failure('EBADF'));
    if (descriptor.kind !== 'socket') {
      if (name !== 'close') return once(() => failure(descriptor.kind === 'epoll' ? 'EINVAL' : 'ENOTSOCK'));
      this.table.delete(fd);
      return once(() => success());
    }
    const socket = descriptor;
    if (socket.listener === null) this.current = socket;
    switch (name) {
      case 'bind':
        return once(() => this.bind(socket, args));
      case 'listen':
        return once(() => this.listen(socket, args));
      case 'accept':
      case 'accept4':
        return this.accept(socket, name === 'accept4' ? args.integerOr(3, 0) : 0);
      case 'connect':
        return this.connect(socket);
      case 'read':
        return receiveAttempt(socket, args.bytes(2), 0);
      case 'recv':
      case 'recvfrom':
        return receiveAttempt(socket, args.bytes(2), args.integerOr(3, 0));
      case 'readv':
        return receiveAttempt(socket, vectorLength(args, args.at(1)), 0);
      case 'recvmsg':
        return receiveAttempt(socket, messageLength(args), args.integerOr(2, 0));
      case 'write':
        return this.send(socket, dataOf(args, 1, 2), 0);
      case 'send':
      case 'sendto':
        return this.send(socket, dataOf(args, 1, 2), args.integerOr(3, 0));
      case 'writev':
        return this.send(socket, new Uint8Array(vectorLength(args, args.at(1))), 0);
      case 'sendmsg':
        return this.send(socket, new Uint8Array(messageLength(args)), args.integerOr(2, 0));
      case 'sendfile':
        return this.sendFile(socket, args);
      case 'shutdown':
        return once(() => this.shutdown(socket, args.integer(1)));
      case 'close':
        return this.close(socket, fd);
      case 'fcntl':
        return once(() => control(socket, args));
      case 'ioctl':
        return once(() => this.ioctl(socket, args));
      case 'setsockopt':
        return once(() => setSocketOption(socket, args));
      case 'getsockopt':
        return once(() =>
          getSocketOption(socket, args, (what, expected, actual) => check(args, what, expected, actual)),
        );
      case 'getsockname':
      case 'getpeername':
        return once(() =>
          socket.boundPort === 0 && socket.connection === null && name === 'getpeername'
            ? failure('ENOTCONN')
            : success(),
        );
      default:
        return args.fail('is no system call that is known here');
    }
  }

  private find(fd: number): Descriptor | null {
    return this.table.get(fd) ?? null;
  }

  private socket(args: Arguments): Attempt {
    const type = args.integer(1);
    if ((type & 0xf) !== 1) return args.fail('makes a socket that is not a stream: only TCP is supported');
    return once(() => {
      const socket = new TcpSocket(this.machine, this.settings.sendBufferBytes, this.settings.personality.habits);
      const { connection, receiveBufferBytes } = this.settings;
      socket.chosen = { receiveBufferBytes, ...connection };
      socket.nonBlocking = (type & O_NONBLOCK) !== 0;
      return { ...success(), descriptor: socket };
    });
  }

  /** Ports in scripts are mostly left out: then it is the one of --bind_port. */
  private bind(socket: TcpSocket, args: Arguments): Outcome {
    const port = portOf(args, args.at(1));
    if (socket.boundPort !== 0) return failure('EINVAL');
    socket.boundPort = port === null || port === 0 ? this.settings.bindPort : port;
    return success();
  }

  private listen(socket: TcpSocket, args: Arguments): Outcome {
    if (socket.connection !== null) return failure('EINVAL');
    if (socket.listener !== null) return success();
    if (socket.boundPort === 0) socket.boundPort = this.settings.bindPort;
    const backlog = Math.max(1, args.integerOr(1, 128));
    try {
      const options = { port: socket.boundPort, backlog, connection: socket.chosen };
      const listener = this.machine.stack.listen(options, (connection) => {
        listener.pause();
        socket.acceptQueue.push(connection);
      });
      listener.pause();
      socket.listener = listener;
    } catch (error) {
      if (!(error as Error).message.includes('EADDRINUSE')) throw error;
      return failure('EADDRINUSE');
    }
    this.observer.listening(socket.boundPort);
    return success();
  }

  private accept(socket: TcpSocket, flags: number): Attempt {
    return () => {
      if (socket.listener === null) return failure('EINVAL');
      const connection = socket.nextAccepted();
      if (connection === null) return socket.nonBlocking ? failure('EAGAIN') : null;
      const { closeReason: reason } = connection;
      if (!socket.habits.acceptsReset && reason !== undefined && reason !== null) return failure('ECONNABORTED');
      const accepted = new TcpSocket(this.machine, socket.sendLimit, socket.habits);
      accepted.nonBlocking = (flags & O_NONBLOCK) !== 0;
      accepted.boundPort = socket.boundPort;
      accepted.linger = socket.linger;
      accepted.isConnected = true;
      accepted.connectReported = true;
      accepted.chosen = socket.chosen;
      for (const [name, apply] of socket.deferred) accepted.deferred.set(name, apply);
      for (const [name, value] of socket.values) accepted.values.set(name, value);
      accepted.attach(connection);
      if (reason !== undefined && reason !== null) accepted.error = reason;
      this.current = accepted;
      return { ...success(), descriptor: accepted };
    };
  }

  private connect(socket: TcpSocket): Attempt {
    let begun = false;
    return () => {
      if (socket.listener !== null) return failure(socket.habits.connectListening);
      if (socket.connection === null) {
        begun = true;
        if (!this.observer.connecting(socket)) return failure('EADDRINUSE');
        this.machine.settle();
        if (socket.nonBlocking && !socket.isConnected && socket.error === null) return failure('EINPROGRESS');
      }
      if (socket.error !== null) return failure(socket.takeError() ?? '');
      if (socket.isConnected) {
        if (!begun && (socket.connectReported || !socket.habits.connectSucceedsLate)) return failure('EISCONN');
        socket.connectReported = true;
        return success();
      }
      if (socket.isOver) return failure('ECONNABORTED');
      return socket.nonBlocking ? failure('EALREADY') : null;
    };
  }

  private send(socket: TcpSocket, bytes: Uint8Array, flags: number): Attempt {
    return sendAttempt(socket, bytes, flags, this.settings.personality.resetErrorOnWrite);
  }

  /** sendfile(socket, file, [offset], length): the file holds zeros. */
  private sendFile(socket: TcpSocket, args: Arguments): Attempt {
    if (this.find(args.integer(1))?.kind !== 'file') return once(() => failure('EBADF'));
    return this.send(socket, new Uint8Array(args.bytes(3)), 0);
  }

  /** pipe([5, 6]): the script says which descriptors it gets. */
  private pipe(args: Arguments): Attempt {
    const ends = args.at(0);
    if (ends.kind !== 'list' || ends.items.length !== 2) return args.fail('takes two descriptors, as [5, 6]');
    const numbers = ends.items.map((item) => args.numberOf(item));
    return once(() => {
      const contents = new PipeContents();
      for (const number of numbers) this.install(new PipeEnd(contents), number);
      return success();
    });
  }

  private splice(args: Arguments): Attempt {
    const from = this.find(args.integer(0));
    const to = this.find(args.integer(2));
    if (from === null || to === null) return once(() => failure('EBADF'));
    if (from.kind === 'epoll' || to.kind === 'epoll') return once(() => failure('EINVAL'));
    const { resetErrorOnWrite } = this.settings.personality;
    return spliceAttempt(from, to, args.bytes(4), args.integerOr(5, 0), resetErrorOnWrite);
  }

  /** close returns at once, or with SO_LINGER when the peer has acknowledged everything or the time is over. */
  private close(socket: TcpSocket, fd: number): Attempt {
    let begun = Number.NaN;
    return () => {
      const { machine } = this;
      if (Number.isNaN(begun)) {
        begun = machine.now;
        this.table.delete(fd);
        socket.close(this.settings.personality.resetsUnread);
        machine.settle();
      }
      const until = begun + socket.linger * 1_000_000;
      if (socket.linger <= 0 || socket.nonBlocking || !socket.lingers || machine.now >= until) return success();
      machine.wakeAt(until);
      return null;
    };
  }

  private shutdown(socket: TcpSocket, how: number): Outcome {
    const { connection, habits } = socket;
    if (how < 0 || how > 2) return failure('EINVAL');
    if (socket.listener !== null) {
      if (!habits.shutdownEndsOpening) return failure('ENOTCONN');
      if (how === 1) return success();
      socket.listener.close();
      socket.listener = null;
      return success();
    }
    if (connection === null || socket.isOver) return failure('ENOTCONN');
    if (!socket.isConnected) {
      if (!habits.shutdownEndsOpening) return failure('ENOTCONN');
      connection.abort();
      return success();
    }
    if (how !== 1) socket.readShut = true;
    if (how !== 0) {
      socket.writeShut = true;
      socket.flush();
      connection.shutdown();
    }
    if (socket.readShut && socket.writeShut && habits.shutdownOfBothRefusesText) connection.detached = true;
    return success();
  }

  private ioctl(socket: TcpSocket, args: Arguments): Outcome {
    const request = args.symbol(1);
    const { connection } = socket;
    switch (request) {
      case 'SIOCINQ':
      case 'FIONREAD':
        if (socket.listener !== null) return failure('EINVAL');
        check(args, request, listed(args, 2), connection?.unreadBytes ?? 0);
        return success();
      case 'SIOCOUTQ':
      case 'FIONWRITE':
      case 'TIOCOUTQ':
        if (socket.listener !== null) return failure('EINVAL');
        check(args, request, listed(args, 2), connection?.sendBuffered ?? 0);
        return success();
      case 'SIOCOUTQNSD': {
        const cb = connection?.ownership?.owner === 'host' ? connection.ownership.cb : null;
        const outstanding = cb === null ? 0 : (cb.delegated.sndMax - cb.delegated.sndUna) | 0;
        check(args, request, listed(args, 2), Math.max(0, (connection?.sendBuffered ?? 0) - outstanding));
        return success();
      }
      case 'FIONBIO':
        socket.nonBlocking = args.listed(2) !== 0;
        return success();
      default:
        return args.fail(`is given ${request}, a request that is not known here`);
    }
  }

  private epollControl(args: Arguments): Outcome {
    const set = this.find(args.integer(0));
    const fd = args.integer(2);
    const socket = this.find(fd);
    if (set === null || socket === null) return failure('EBADF');
    if (set.kind !== 'epoll' || socket === set) return failure('EINVAL');
    if (socket.kind === 'file') return failure('EPERM');
    const operation = args.integer(1);
    if (operation === EPOLL_CTL_DEL) return set.members.delete(fd) ? success() : failure('ENOENT');
    const isKnown = set.members.has(fd);
    if (operation === EPOLL_CTL_ADD ? isKnown : !isKnown) return failure(isKnown ? 'EEXIST' : 'ENOENT');
    const event = args.at(3);
    const events = args.member(event, 'events');
    const data = EPOLL_DATA.map((name) => args.member(event, name)).find((value) => value !== null) ?? null;
    set.members.set(fd, {
      socket,
      fd,
      events: events === null ? 0 : args.numberOf(events),
      data: data === null || data.kind === 'any' ? fd : args.numberOf(data),
      reported: '',
      isDisarmed: false,
    });
    return success();
  }

  private epollWait(args: Arguments): Attempt {
    const set = this.find(args.integer(0));
    if (set === null) return once(() => failure('EBADF'));
    if (set.kind !== 'epoll') return once(() => failure('EINVAL'));
    return epollWaitAttempt(this.machine, args, set);
  }
}

function once(call: () => Outcome): Attempt {
  return call;
}

function control(socket: TcpSocket, args: Arguments): Outcome {
  switch (args.symbol(1)) {
    case 'F_GETFL':
      return success(2 | (socket.nonBlocking ? O_NONBLOCK : 0));
    case 'F_SETFL':
      socket.nonBlocking = (args.integer(2) & O_NONBLOCK) !== 0;
      return success();
    case 'F_GETFD':
    case 'F_SETFD':
      return success();
    default:
      return args.fail(`is given ${args.symbol(1)}, a command that is not known here`);
  }
}

/** The expectation in `[n]`, or the expression itself. */
function listed(args: Arguments, index: number): Expression {
  const expected = args.at(index);
  return expected.kind === 'list' && expected.items.length > 0 ? expected.items[0] : expected;
}

/** Compares what a call gave with what the script expects. @throws ScriptFailure */
function check(args: Arguments, what: string, expected: Expression, actual: number | string): void {
  if (expected.kind === 'any') return;
  const isName = expected.kind === 'symbol' && (typeof actual === 'string' || constant(expected.name) === undefined);
  const same =
    expected.kind === 'string' || isName
      ? (expected.kind === 'string' ? expected.value : expected.kind === 'symbol' ? expected.name : '') === actual
      : args.numberOf(expected) === actual;
  if (same) return;
  throw new ScriptFailure(
    args.line,
    `${args.call}: expected ${what} ${formatExpression(expected)}, but it is ${String(actual)}`,
  );
}

function portOf(args: Arguments, address: Expression): number | null {
  const port = args.member(address, 'sin_port') ?? args.member(address, 'sin6_port');
  return port === null ? null : args.numberOf(port);
}
