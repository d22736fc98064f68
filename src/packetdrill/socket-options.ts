/** setsockopt and getsockopt: a table of options by name. */
import { TcpCachedFlag } from '../tcp/index.ts';
import type { Expression } from './script.ts';
import { failure, type Outcome, success, type TcpSocket } from './socket.ts';
import type { Arguments } from './values.ts';

/** Congestion controls by the names that systems have for them. */
const CONGESTION_CONTROLS: Readonly<Record<string, 'cubic' | 'newreno'>> = {
  cubic: 'cubic',
  reno: 'newreno',
  newreno: 'newreno',
};

/** Options that can be set and are remembered, without any effect on what the peer sees here. */
const WITHOUT_EFFECT = new Set([
  'SO_REUSEADDR',
  'SO_REUSEPORT',
  'SO_DEBUG',
  'SO_PRIORITY',
  'SO_MARK',
  'SO_BROADCAST',
  'SO_DONTROUTE',
  'SO_OOBINLINE',
  'SO_RCVLOWAT',
  'SO_SNDLOWAT',
  'SO_RCVTIMEO',
  'SO_SNDTIMEO',
  'SO_TIMESTAMP',
  'SO_TIMESTAMPING',
  'SO_TIMESTAMPNS',
  'SO_BINDTODEVICE',
  'SO_INCOMING_CPU',
  'SO_BUSY_POLL',
  'SO_MAX_PACING_RATE',
  'SO_NOSIGPIPE',
  'SO_ZEROCOPY',
  'SO_TYPE',
  'IP_FREEBIND',
  'IPV6_V6ONLY',
  'IPV6_MTU_DISCOVER',
  'IPV6_RECVERR',
  'IPV6_DONTFRAG',
  'IP_TRANSPARENT',
  'IP_BIND_ADDRESS_NO_PORT',
  'IP_RECVERR',
  'IP_MTU_DISCOVER',
  'IP_DONTFRAG',
  'TCP_DEFER_ACCEPT',
  'TCP_MD5SIG',
  'TCP_COOKIE_TRANSACTIONS',
  'TCP_ULP',
  'TCP_RACK_SESSION_CWV',
  'TCP_FASTOPEN_KEY',
  'TCP_ACCECN',
  'SO_ATTACH_FILTER',
  'SO_DETACH_FILTER',
  'SO_TXREHASH',
  'SO_NO_CHECK',
  'SO_USELOOPBACK',
  'SO_ACCEPTFILTER',
  'SO_SETFIB',
  'SO_LISTENQLIMIT',
  'IPV6_HOPLIMIT',
  'IPV6_RECVTCLASS',
  'IPV6_USE_MIN_MTU',
  'IPV6_AUTOFLOWLABEL',
  'IP_RECVTTL',
  'IP_RECVTOS',
  'IP_MINTTL',
  'IP_PORTRANGE',
  'TCP_NOTSENT_LOWAT',
  'TCP_THIN_LINEAR_TIMEOUTS',
  'TCP_THIN_DUPACK',
  'TCP_SAVE_SYN',
  'TCP_INQ',
  'TCP_TX_DELAY',
  'TCP_FUNCTION_BLK',
  'TCP_LOG',
  'TCP_LOGID',
  'TCP_LOGBUF',
  'TCP_TIMESTAMP',
]);

/** setsockopt(fd, level, name, value, length). */
export function setSocketOption(socket: TcpSocket, args: Arguments): Outcome {
  const name = args.symbol(2);
  if (name === 'SO_LINGER') return setLinger(socket, args);
  if (name === 'TCP_CONGESTION') return setCongestionControl(socket, args);
  const value = scalar(args, 3);
  if (WITHOUT_EFFECT.has(name)) {
    socket.values.set(name, value);
    return success();
  }
  const outcome = typeof value === 'number' ? setNumber(socket, name, value) : null;
  if (outcome === null) return args.fail(`cannot set ${name}: it is no option that is known here`);
  if (outcome.error === null && !socket.readBack.has(name)) socket.values.set(name, value);
  return outcome;
}

/** Linux's least buffers, bytes. */
const LEAST_RECEIVE_BUFFER = 2304;
const LEAST_SEND_BUFFER = 4608;

/** What getsockopt will say of a buffer: twice what was set, for the bookkeeping of the system. */
function doubled(socket: TcpSocket, name: string, value: number, least: number): void {
  socket.readBack.set(name, Math.max(value * 2, least));
}

function setNumber(socket: TcpSocket, name: string, value: number): Outcome | null {
  switch (name) {
    case 'TCP_NODELAY':
      socket.setDeferred(name, (connection) => connection.setNoDelay(value !== 0));
      return success();
    case 'SO_KEEPALIVE':
      socket.values.set(name, value);
      applyKeepAlive(socket);
      return success();
    case 'TCP_KEEPIDLE':
    case 'TCP_KEEPALIVE':
    case 'TCP_KEEPINTVL':
    case 'TCP_KEEPCNT':
      if (value < 1 || value > 32767) return failure('EINVAL');
      socket.values.set(name, value);
      applyKeepAlive(socket);
      return success();
    case 'TCP_USER_TIMEOUT':
    case 'TCP_MAXUNACKTIME':
      if (value < 0) return failure('EINVAL');
      // BSD counts seconds, Linux milliseconds.
      socket.setDeferred(name, (c) => c.setUserTimeout(name === 'TCP_MAXUNACKTIME' ? value * 1000 : value));
      return success();
    case 'SO_RCVBUF':
    case 'SO_RCVBUFFORCE':
      if (socket.habits.doublesBuffers) doubled(socket, 'SO_RCVBUF', value, LEAST_RECEIVE_BUFFER);
      socket.chosen = { ...socket.chosen, receiveBufferBytes: value };
      socket.connection?.setReceiveBuffer(value);
      return success();
    case 'SO_SNDBUF':
    case 'SO_SNDBUFFORCE':
      if (socket.habits.doublesBuffers) doubled(socket, 'SO_SNDBUF', value, LEAST_SEND_BUFFER);
      socket.sendLimit = value;
      return success();
    case 'TCP_CORK':
    case 'TCP_NOPUSH':
      socket.setCork(value !== 0);
      return success();
    case 'TCP_QUICKACK':
      socket.machine.setQuickAck(socket.connection, value !== 0);
      return success();
    case 'TCP_SYNCNT':
      if (value < 1 || value > 127) return failure('EINVAL');
      socket.machine.setParameters({ maximumSynRetransmissions: value });
      return success();
    case 'TCP_KEEPINIT':
      if (value < 1) return failure('EINVAL');
      socket.machine.setParameters({ openingTicks: value * 1000 });
      return success();
    case 'TCP_LINGER2':
      if (value > 0) socket.machine.setParameters({ finWait2Ticks: Math.min(value, 120) * 1000 });
      return success();
    case 'TCP_WINDOW_CLAMP':
      if (value < 0) return failure('EINVAL');
      if (value > 0) {
        socket.chosen = { ...socket.chosen, receiveBufferBytes: value };
        socket.connection?.setReceiveBuffer(value);
      }
      return success();
    case 'TCP_MAXSEG':
      if (value < 48 || value > 32767) return failure('EINVAL');
      socket.chosen = { ...socket.chosen, maximumSegmentSize: value };
      return success();
    case 'TCP_NOOPT':
      if (value !== 0) {
        const none = { windowScaling: false, timestamps: false, selectiveAcknowledgment: false };
        socket.chosen = { ...socket.chosen, ...none };
      }
      return success();
    case 'IP_TOS':
    case 'IPV6_TCLASS':
      socket.setDeferred(name, (connection) => connection.setDatagramFields(value, null));
      return success();
    case 'IP_TTL':
    case 'IPV6_UNICAST_HOPS':
      socket.setDeferred(name, (connection) => connection.setDatagramFields(null, value));
      return success();
    case 'TCP_FASTOPEN':
    case 'TCP_FASTOPEN_CONNECT':
    case 'TCP_REPAIR':
      return failure('EOPNOTSUPP');
    default:
      return null;
  }
}

/** Keepalive has one switch and three times, in seconds, set in any order. */
function applyKeepAlive(socket: TcpSocket): void {
  const number = (name: string, otherwise: number): number => Number(socket.values.get(name) ?? otherwise);
  const idle = number('TCP_KEEPIDLE', number('TCP_KEEPALIVE', 0));
  const on = number('SO_KEEPALIVE', 0) !== 0;
  socket.setDeferred('SO_KEEPALIVE', (connection) => {
    const { keepAliveInterval, keepAliveProbes } = keepAliveDefaults(socket);
    connection.setKeepAliveProbes(
      number('TCP_KEEPINTVL', keepAliveInterval) * 1000,
      number('TCP_KEEPCNT', keepAliveProbes),
    );
    connection.setKeepAlive(on, (idle > 0 ? idle : keepAliveDefaults(socket).keepAliveIdle) * 1000);
  });
}

function keepAliveDefaults(socket: TcpSocket): {
  keepAliveIdle: number;
  keepAliveInterval: number;
  keepAliveProbes: number;
} {
  return socket.machine.keepAlive;
}

function setLinger(socket: TcpSocket, args: Arguments): Outcome {
  const value = args.at(3);
  const onoff = args.member(value, 'onoff') ?? args.member(value, 'l_onoff');
  const linger = args.member(value, 'linger') ?? args.member(value, 'l_linger');
  if (onoff === null || linger === null) return args.fail('takes {onoff=…, linger=…} for SO_LINGER');
  socket.linger = args.numberOf(onoff) === 0 ? -1 : args.numberOf(linger);
  return success();
}

function setCongestionControl(socket: TcpSocket, args: Arguments): Outcome {
  const value = scalar(args, 3);
  const name = CONGESTION_CONTROLS[String(value)];
  if (name === undefined) return failure('ENOENT');
  socket.chosen = { ...socket.chosen, congestionControl: name };
  socket.values.set('TCP_CONGESTION', String(value));
  socket.machine.setCongestionControl(socket.connection, name);
  return success();
}

function scalar(args: Arguments, index: number): number | string {
  let value = args.at(index);
  if (value.kind === 'list' && value.items.length > 0) value = value.items[0];
  if (value.kind === 'string') return value.value;
  if (value.kind === 'struct' || value.kind === 'any') return 0;
  return args.numberOf(value);
}

/** getsockopt(fd, level, name, value, length): what the script writes as value is what it expects. */
export function getSocketOption(
  socket: TcpSocket,
  args: Arguments,
  expect: (what: string, expected: Expression, actual: number | string) => void,
): Outcome {
  const name = args.symbol(2);
  const wanted = args.at(3);
  if (name === 'TCP_INFO') {
    const members = socket.members();
    if (wanted.kind !== 'struct') return success();
    for (const { name: member, value } of wanted.entries) {
      if (member === null || value.kind === 'any') continue;
      const key = member.startsWith('tcpi_') ? member : `tcpi_${member}`;
      if (!(key in members)) return args.fail(`asks for ${member}, which TCP_INFO does not have here`);
      expect(member, value, members[key]);
    }
    return success();
  }
  if (name === 'SO_LINGER' && wanted.kind === 'struct') {
    const onoff = args.member(wanted, 'onoff') ?? args.member(wanted, 'l_onoff');
    const linger = args.member(wanted, 'linger') ?? args.member(wanted, 'l_linger');
    if (onoff !== null) expect('onoff', onoff, socket.linger >= 0 ? 1 : 0);
    if (linger !== null) expect('linger', linger, Math.max(0, socket.linger));
    return success();
  }
  const value = read(socket, name);
  if (value === null) return args.fail(`cannot get ${name}: it is no option that is known here`);
  const expected = wanted.kind === 'list' && wanted.items.length > 0 ? wanted.items[0] : wanted;
  if (expected.kind !== 'any' && expected.kind !== 'struct') expect(name, expected, value);
  return success();
}

function read(socket: TcpSocket, name: string): number | string | null {
  const { connection } = socket;
  const cb = connection?.ownership?.owner === 'host' ? connection.ownership.cb : null;
  switch (name) {
    case 'SO_ERROR':
      return socket.takeError() ?? 0;
    case 'SO_RCVBUF':
      return socket.readBack.get(name) ?? socket.chosen.receiveBufferBytes ?? 0;
    case 'SO_SNDBUF':
      return socket.readBack.get(name) ?? socket.sendLimit;
    case 'IP_MTU':
    case 'IPV6_MTU':
      return cb === null ? socket.machine.stack.core.interface.mtu : cb.pathMtu;
    case 'SO_PROTOCOL':
      return 6;
    case 'SO_TYPE':
      return 1;
    case 'SO_ACCEPTCONN':
      return socket.listener === null ? 0 : 1;
    case 'TCP_MAXSEG':
      return cb === null || cb.sendMss === 0 ? (socket.chosen.maximumSegmentSize ?? 536) : cb.sendMss;
    case 'TCP_NODELAY':
      return connection === null
        ? (socket.values.get(name) ?? 0)
        : (connection.desired.flags & TcpCachedFlag.NAGLING_ENABLED) === 0
          ? 1
          : 0;
    case 'TCP_CONGESTION':
      return socket.values.get(name) ?? socket.machine.stack.core.tcp.parameters.congestionControl;
    default:
      return (
        socket.values.get(name) ??
        (WITHOUT_EFFECT.has(name) || name.startsWith('SO_') || name.startsWith('TCP_') ? 0 : null)
      );
  }
}
