/** System calls: every call and option that a script can name, and which error which system answers. */
import { describe, expect, it } from 'vitest';
import { runScript } from '../../src/packetdrill/index.ts';

const LISTENING = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
`;
const ESTABLISHED = `${LISTENING}+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
+0.01 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
`;
const CONNECTING = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <...>
`;

type Style = 'default' | 'linux' | 'bsd';
const problemOf = (text: string, personality: Style = 'default') =>
  runScript(text, { personality, failsOnUnexpected: false }).problem;
const all: readonly Style[] = ['default', 'linux', 'bsd'];

describe('calls', () => {
  it.each([
    ['sendfile', '+0 open("/dev/zero", O_RDONLY) = 5\n+0 sendfile(4, 5, [0], 100) = 100\n+0 > P. 1:101(100) ack 1'],
    [
      'splice into a socket',
      '+0 pipe([5, 6]) = 0\n+0 open("f", O_RDONLY) = 7\n+0 splice(7, NULL, 6, NULL, 500, SPLICE_F_MOVE) = 500\n+0 splice(5, NULL, 4, NULL, 300, SPLICE_F_MORE|SPLICE_F_MOVE) = 300\n+0 > P. 1:301(300) ack 1\n+0 splice(5, NULL, 4, NULL, 300, 0) = 200',
    ],
    [
      'splice out of a socket',
      '+0 pipe([5, 6]) = 0\n+0 < P. 1:101(100) ack 1 win 65535\n+0 splice(4, NULL, 6, NULL, 1000, SPLICE_F_NONBLOCK) = 100\n+0 splice(4, NULL, 6, NULL, 1000, SPLICE_F_NONBLOCK) = -1 EAGAIN (Resource temporarily unavailable)',
    ],
    ['strings one after the other', '+0 write(4, "GET /" " HTTP\\r\\n", 12) = 12\n+0 > P. 1:13(12) ack 1'],
    ['strings left open', '+0 send(4, "abc"..., 1000, MSG_NOSIGNAL) = 1000\n+0 > P. 1:1001(1000) ack 1'],
    [
      'messages',
      '+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 60}, {..., 40}], msg_flags=0}, 0) = 100\n+0 > P. 1:101(100) ack 1',
    ],
    [
      'messages of BSD',
      '+0 < P. 1:101(100) ack 1 win 65535\n+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{iov_base=..., iov_len=500}], msg_control(0)=[], msg_flags=0}, 0) = 100',
    ],
    [
      'the error queue, which is empty',
      '+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=MSG_ERRQUEUE, msg_control=[{cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=0, ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_type=0, ee_code=0, ee_info=0, ee_data=0}}]}, MSG_ERRQUEUE) = -1 EAGAIN (Resource temporarily unavailable)',
    ],
    ['capabilities', '+0 cap_set(CAP_EFFECTIVE, CAP_NET_ADMIN, CAP_CLEAR) = 0'],
    [
      'epoll by pointer, once',
      '+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLONESHOT, ptr=7}) = 0\n+0 < P. 1:101(100) ack 1 win 65535\n+0 epoll_wait(5, {events=EPOLLIN, ptr=7}, 1, 0) = 1\n+0 epoll_wait(5, {events=EPOLLIN, ptr=7}, 1, 0) = 0\n+0 epoll_ctl(5, EPOLL_CTL_MOD, 4, {events=EPOLLIN, u64=9}) = 0\n+0 epoll_wait(5, {events=EPOLLIN, u64=9}, 1, 0) = 1',
    ],
    [
      'epoll by edges',
      '+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, fd=4}) = 0\n+0 < P. 1:101(100) ack 1 win 65535\n+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1\n+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 0\n+0 < P. 101:201(100) ack 1 win 65535\n+0 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0) = 1\n+0 epoll_ctl(5, EPOLL_CTL_DEL, 4, {events=0, fd=4}) = 0\n+0 epoll_ctl(5, EPOLL_CTL_MOD, 4, {events=0, fd=4}) = -1 ENOENT (No such file or directory)',
    ],
    ['urgent data', '+0 send(4, ..., 1, MSG_OOB) = 1\n+0 > PU. 1:2(1) ack 1 urg 1'],
    [
      'what is unread',
      '+0 < P. 1:101(100) ack 1 win 65535\n+0 ioctl(4, SIOCINQ, [100]) = 0\n+0 ioctl(4, FIONREAD, [100]) = 0',
    ],
    ['what is unsent', '+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+0 ioctl(4, SIOCOUTQ, [100]) = 0'],
    ['a wrong direction of shutdown', '+0 shutdown(4, 5) = -1 EINVAL (Invalid argument)'],
    ['IP_MTU', '+0 getsockopt(4, SOL_IP, IP_MTU, [1500], [4]) = 0'],
    [
      'a structure of times that the script leaves open',
      '+0 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {scm_sec=1, scm_nsec=0}, 16) = 0',
    ],
  ])('%s', (_what, event) => {
    for (const personality of all) expect(problemOf(ESTABLISHED + event, personality), personality).toBeNull();
  });

  it.each([
    ['splice(4, NULL, 3, NULL, 10, 0) = 0', 'expected 0, but it returned -1 EINVAL'],
    ['sendfile(4, 3, [0], 10) = 10', 'expected 10, but it returned -1 EBADF'],
    ['pipe(5) = 0', 'takes two descriptors'],
    ['read(9, ..., 10) = 10', 'expected 10, but it returned -1 EBADF'],
  ])('%s', (event, message) => {
    expect(problemOf(`${ESTABLISHED}+0 ${event}`)?.message).toContain(message);
  });

  it('calls on files are no calls on sockets', () => {
    const text = `${LISTENING}+0 open("f", O_RDONLY) = 5\n+0 listen(5, 1) = -1 ENOTSOCK\n+0 close(5) = 0\n+0 close(5) = -1 EBADF`;
    expect(problemOf(text)).toBeNull();
  });
});

describe('cork', () => {
  const write = '+0 write(4, ..., 1500) = 1500\n+0 > . 1:1001(1000) ack 1\n';
  it.each([
    [
      'ends with the option',
      `+0 setsockopt(4, SOL_TCP, TCP_CORK, [1], 4) = 0\n${write}+0.1 setsockopt(4, SOL_TCP, TCP_CORK, [0], 4) = 0\n+0 > P. 1001:1501(500) ack 1`,
    ],
    [
      'ends after 200 ms',
      `+0 setsockopt(4, SOL_TCP, TCP_CORK, [1], 4) = 0\n${write}+0.1 < . 1:1(0) ack 1001 win 65535\n+0.1 > P. 1001:1501(500) ack 1`,
    ],
    [
      'ends with more bytes',
      `+0 send(4, ..., 1500, MSG_MORE) = 1500\n+0 > . 1:1001(1000) ack 1\n+0.1 write(4, ..., 100) = 100\n+0 > P. 1001:1601(600) ack 1`,
    ],
    [
      'ends with the connection',
      `+0 send(4, ..., 1500, MSG_MORE) = 1500\n+0 > . 1:1001(1000) ack 1\n+0.1 close(4) = 0\n+0 > FP. 1001:1501(500) ack 1`,
    ],
  ])('%s', (_what, events) => {
    expect(
      problemOf(`${ESTABLISHED}+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n${events}`, 'linux'),
    ).toBeNull();
  });

  it('of BSD waits for more', () => {
    const text = `${ESTABLISHED}+0 setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0\n+0 setsockopt(4, IPPROTO_TCP, TCP_NOPUSH, [1], 4) = 0\n${write}+1 setsockopt(4, IPPROTO_TCP, TCP_NOPUSH, [0], 4) = 0\n+0 > P. 1001:1501(500) ack 1`;
    // The first segment is not acknowledged: meanwhile it is repeated.
    expect(problemOf(text.replace('+1 set', '+0.2 set'), 'bsd')).toBeNull();
  });
});

describe('options', () => {
  it.each([
    ['linux', 'SO_RCVBUF', 10_000, 20_000],
    ['linux', 'SO_SNDBUF', 1000, 4608],
    ['bsd', 'SO_RCVBUF', 10_000, 10_000],
    ['default', 'SO_SNDBUF', 10_000, 10_000],
  ] as const)('%s reads %s back in its way', (personality, name, set, read) => {
    const text = `${ESTABLISHED}+0 setsockopt(4, SOL_SOCKET, ${name}, [${set}], 4) = 0\n+0 getsockopt(4, SOL_SOCKET, ${name}, [${read}], [4]) = 0`;
    expect(problemOf(text, personality)).toBeNull();
  });

  it('TCP_QUICKACK acknowledges at once what is owed, and what follows', () => {
    const text = `${ESTABLISHED}+0 setsockopt(4, SOL_TCP, TCP_QUICKACK, [0], 4) = 0
+0 < P. 1:101(100) ack 1 win 65535
+0.02 setsockopt(4, SOL_TCP, TCP_QUICKACK, [1], 4) = 0
+0 > . 1:1(0) ack 101
+0 < P. 101:201(100) ack 1 win 65535
+0 > . 1:1(0) ack 201`;
    expect(problemOf(text, 'linux')).toBeNull();
  });

  it('TCP_SYNCNT and TCP_KEEPINIT bound an opening', () => {
    const count = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_TCP, TCP_SYNCNT, [1], 4) = 0
+0...3 connect(3, ..., ...) = -1 ETIMEDOUT (Connection timed out)
+0 > S 0:0(0) <...>
+1 > S 0:0(0) <...>`;
    expect(problemOf(count, 'default')).toBeNull();
    const time = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, IPPROTO_TCP, TCP_KEEPINIT, [4], 4) = 0
+0...4 connect(3, ..., ...) = -1 ETIMEDOUT (Operation timed out)
+0 > S 0:0(0) <...>
+1 > S 0:0(0) <...>
+1 > S 0:0(0) <...>
+1 > S 0:0(0) <...>`;
    expect(problemOf(time, 'bsd')).toBeNull();
  });
});

/** Errors that differ between systems: the same script, and what each answers. */
describe.each(all)('errors of %s', (style) => {
  const bsd = style === 'bsd';
  const linux = style === 'linux';
  it.each([
    ['read while connecting', `${CONNECTING}+0 read(3, ..., 10) = -1 ${bsd ? 'ENOTCONN' : 'EAGAIN'}`],
    ['write while connecting', `${CONNECTING}+0 write(3, ..., 10) = -1 ${bsd ? 'ENOTCONN' : 'EAGAIN'}`],
    ['connect while connecting', `${CONNECTING}+0 connect(3, ..., ...) = -1 EALREADY (Operation already in progress)`],
    [
      'connect when connected',
      `${CONNECTING}+0.01 < S. 0:0(0) ack 1 win 65535 <mss 1000>\n+0 > . 1:1(0) ack 1\n+0 connect(3, ..., ...) = ${bsd ? '-1 EISCONN' : '0'}\n+0 connect(3, ..., ...) = -1 EISCONN`,
    ],
    [
      'write unconnected',
      `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 write(3, ..., 10) = -1 ${bsd ? 'ENOTCONN' : 'EPIPE'}`,
    ],
    ['read unconnected', '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 read(3, ..., 10) = -1 ENOTCONN'],
    ['shutdown unconnected', '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 shutdown(3, SHUT_WR) = -1 ENOTCONN'],
    ['connect of a listener', `${LISTENING}+0 connect(3, ..., ...) = -1 ${bsd ? 'EOPNOTSUPP' : 'EISCONN'}`],
    ['shutdown of a listener', `${LISTENING}+0 shutdown(3, SHUT_RDWR) = ${linux ? '0' : '-1 ENOTCONN'}`],
    [
      'refused',
      `${CONNECTING}+0.01 < R. 0:0(0) ack 1 win 0\n+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0`,
    ],
    [
      'a reset, then the end',
      `${ESTABLISHED}+0 < R. 1:1(0) ack 1 win 65535\n+0 read(4, ..., 10) = -1 ECONNRESET\n+0 read(4, ..., 10) = 0\n+0 write(4, ..., 10) = -1 EPIPE`,
    ],
    [
      'a reset, then a write',
      `${ESTABLISHED}+0 < R. 1:1(0) ack 1 win 65535\n+0 write(4, ..., 10) = -1 ${bsd ? 'EPIPE' : 'ECONNRESET'}`,
    ],
    [
      "a reset after the peer's FIN",
      `${ESTABLISHED}+0 < F. 1:1(0) ack 1 win 65535\n+0~+0.05 > . 1:1(0) ack 2\n+0 < R. 2:2(0) ack 1 win 65535\n+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [${linux ? 'EPIPE' : 'ECONNRESET'}], [4]) = 0`,
    ],
    [
      'a reset before accept',
      `${LISTENING}+0 < S 0:0(0) win 65535 <mss 1000>\n+0 > S. 0:0(0) ack 1 <...>\n+0 < . 1:1(0) ack 1 win 65535\n+0 < R. 1:1(0) ack 1 win 65535\n+0 accept(3, ..., ...) = ${bsd ? '-1 ECONNABORTED' : '4\n+0 read(4, ..., 10) = -1 ECONNRESET'}`,
    ],
    [
      'net unreachable while connecting',
      `${CONNECTING}+0.01 < icmp unreachable net_unreachable [0:0(0)]\n+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [${bsd ? '0' : linux ? 'ENETUNREACH' : 'EHOSTUNREACH'}], [4]) = 0`,
    ],
    [
      'protocol unreachable while connecting',
      `${CONNECTING}+0.01 < icmp unreachable protocol_unreachable [0:0(0)]\n+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [${linux ? 'ENOPROTOOPT' : 'ECONNREFUSED'}], [4]) = 0`,
    ],
    [
      'a soft error before the silence',
      `${ESTABLISHED}+0 setsockopt(4, SOL_TCP, ${bsd ? 'TCP_MAXUNACKTIME, [1]' : 'TCP_USER_TIMEOUT, [1000]'}, 4) = 0\n+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+0.01 < icmp unreachable host_unreachable [1:101(100)]\n+3 read(4, ..., 10) = -1 EHOSTUNREACH`,
    ],
    [
      'close that lingers',
      `${ESTABLISHED}+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=2}, 8) = 0\n+0...0.05 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+0.05 < . 1:1(0) ack 2 win 65535`,
    ],
    [
      'text after shutdown of both halves',
      `${ESTABLISHED}+0 shutdown(4, SHUT_RDWR) = 0\n+0 > F. 1:1(0) ack 1\n+0.01 < . 1:1(0) ack 2 win 65535\n+0 < P. 1:11(10) ack 2 win 65535\n${linux ? '+0 > R 2:2(0)' : '+0~+0.05 > . 2:2(0) ack 11'}`,
    ],
  ])('%s', (_what, text) => {
    expect(problemOf(text, style)).toBeNull();
  });
});
