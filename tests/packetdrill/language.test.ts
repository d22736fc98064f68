/** The language: what is understood, and what the errors say. */
import { describe, expect, it } from 'vitest';
import { parseScript, runScript, ScriptSyntaxError } from '../../src/packetdrill/index.ts';

const LISTENING = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
`;

const ESTABLISHED = `${LISTENING}+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
+0 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
`;

const problemOf = (text: string) => runScript(text).problem;

describe('the grammar', () => {
  it('reads times', () => {
    const times = ['0', '1.5', '.25', '+0.1', '*', '0.1~0.2', '+0~+0.1'].map(
      (time) => parseScript(`${time} close(3) = 0`).events[0].time,
    );
    expect(times).toEqual([
      { kind: 'absolute', isRange: false, start: 0, end: 0 },
      { kind: 'absolute', isRange: false, start: 1_500_000, end: 1_500_000 },
      { kind: 'absolute', isRange: false, start: 250_000, end: 250_000 },
      { kind: 'relative', isRange: false, start: 100_000, end: 100_000 },
      { kind: 'any', isRange: false, start: 0, end: 0 },
      { kind: 'absolute', isRange: true, start: 100_000, end: 200_000 },
      { kind: 'relative', isRange: true, start: 0, end: 100_000 },
    ]);
  });

  it('reads packets with all that they can have', () => {
    const text =
      '0 < [ect0,ttl 5] SEW 1:1001(1000) ack 7 win 100 urg 3 <mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7,sack 1:2 3:4,eol,FO 0102,FOEXP>';
    expect(parseScript(text).events[0].action).toEqual({
      kind: 'packet',
      direction: 'in',
      packet: {
        kind: 'tcp',
        flags: 0xc2,
        ace: null,
        accurateEcn: false,
        ports: null,
        numbering: 'relative',
        sequence: 1,
        length: 1000,
        acknowledgment: 7,
        window: 100,
        urgentPointer: 3,
        options: [
          { kind: 'mss', value: 1460 },
          { kind: 'sackOK' },
          { kind: 'TS', value: 1, echo: 2 },
          { kind: 'nop' },
          { kind: 'wscale', value: 7 },
          {
            kind: 'sack',
            blocks: [
              [1, 2],
              [3, 4],
            ],
          },
          { kind: 'eol' },
          { kind: 'FO', cookie: Uint8Array.of(1, 2) },
          { kind: 'FOEXP', cookie: new Uint8Array(0) },
        ],
        ip: { ecn: 2, typeOfService: null, timeToLive: 5, flowLabel: null },
      },
    });
  });

  it('reads ICMP errors with the segment that they quote', () => {
    const action = parseScript('0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]').events[0].action;
    expect(action).toMatchObject({
      packet: { kind: 'icmp', ipv4: { type: 3, code: 4 }, mtu: 1200, quoted: { sequence: 1, length: 1460 } },
    });
    const tooBig = parseScript('0 < icmpv6 packet_too_big mtu 1280 [. 1:11(10)]').events[0].action;
    expect(tooBig).toMatchObject({ packet: { ipv4: null, ipv6: { type: 2, code: 0 }, mtu: 1280 } });
  });

  it('reads ICMP errors as older scripts have them, and over either version by one word', () => {
    const { action } = parseScript('0 < [1:11(10)] icmp unreachable port_unreachable').events[0];
    expect(action).toMatchObject({
      packet: { ipv4: { type: 3, code: 3 }, ipv6: { type: 1, code: 4 }, quoted: { length: 10 } },
    });
    const numbered = parseScript('0 < icmp type_3 code_13').events[0].action;
    expect(numbered).toMatchObject({ packet: { ipv4: { type: 3, code: 13 }, quoted: null } });
    const v6 = parseScript('0 < icmp time_exceeded exceeded_frag_time').events[0].action;
    expect(v6).toMatchObject({ packet: { ipv4: null, ipv6: { type: 3, code: 1 } } });
  });

  it.each([
    ['< 5000 > 8080 S 0:0(0)', { ports: { source: 5000, destination: 8080 } }],
    ['> .5 1:1(0) ack 1', { flags: 0x50, ace: 5, accurateEcn: true }],
    ['< SEWA 0:0(0)', { flags: 0xc2, accurateEcn: true }],
    ['> R. 7:7(0)! ack 1', { numbering: 'absolute', sequence: 7 }],
    ['> . ...(10) ack 1', { numbering: 'any', length: 10 }],
    ['> - 0:0(0)', { flags: 0 }],
    ['> . 0:0(0) ack 1 <nop,nop,TS val ... ecr 7!>', { options: [{}, {}, { value: null, echo: 7, echoAsIs: true }] }],
  ])('reads %s', (packet, expected) => {
    expect(parseScript(`0 ${packet}`).events[0].action).toMatchObject({ packet: expected });
  });

  it('puts definitions of its own options into the rest of the script, those of the command line first', () => {
    const text = '--define=NAME=close\n--define=WHY=`true`\n0 WHY\n+0 NAME(FD) = 0';
    const script = parseScript(
      text,
      new Map([
        ['FD', '3'],
        ['NAME', 'listen'],
      ]),
    );
    expect(script.events[0]).toMatchObject({ line: 3, action: { kind: 'command', text: 'true' } });
    expect(script.events[1].action).toMatchObject({ name: 'listen', arguments: [{ value: 3 }] });
    expect(problemOf('--define=broken\n0 close(3) = 0')?.message).toContain('give NAME=value');
  });

  it('reads calls that block, their errors and notes', () => {
    const { action } = parseScript(
      '+0...0.2 read(3, ..., 10) = -1 ECONNRESET (Connection reset by peer)\n+1 close(3) = 0',
    ).events[0];
    expect(action).toMatchObject({ kind: 'call', name: 'read', blocksUntil: 200_000, error: 'ECONNRESET' });
  });

  it('reads options, also several in a line, and commands of several lines', () => {
    const script = parseScript(
      '--mtu=1400 --non_fatal=packet // why\n--verbose\n`sysctl a=1\nsysctl b=2`\n0 close(3) = 0\n`true`',
    );
    expect(script.options.map(({ name, value }) => [name, value])).toEqual([
      ['mtu', '1400'],
      ['non_fatal', 'packet'],
      ['verbose', null],
    ]);
    expect(script.setup).toHaveLength(1);
    expect(script.cleanup).toEqual([{ line: 6, text: 'true' }]);
  });

  it.each([
    ['', 'the script has no events'],
    ['0 > Q 0:0(0)', 'expected the flags of a TCP segment'],
    ['0 < . 1:5(10)', '1:5(10) does not add up'],
    ['0 < . 1:1(0) ack 1 win 70000', 'a window is 0…65535'],
    ['0 < . 1:1(0) <what 5>', 'the TCP option what is not known'],
    ['0 < udp (1000)', 'udp packets are not supported'],
    ['0 < gre: ipv4 1.1.1.1>2.2.2.2: . 1:1(0)', 'gre packets are not supported'],
    ['0 < icmp echo_request id 1', 'the ICMP type echo_request is not supported'],
    ['0 < icmp unreachable nothing', 'the ICMP message unreachable nothing is not known'],
    ['0 < icmp unreachable port_unreachable [udp (10)]', 'can quote nothing but a TCP segment'],
    ['0 < . 1:1(0) ack 1 {mut ip ihl 3}', 'mutated packets are not supported'],
    ['0 < . 1:1(0) ack 1 win 5 / udp', 'segments inside of UDP are not supported'],
    ['0 < [1:11(10)] . 1:1(0)', 'only an ICMP message quotes a segment'],
    ['0 < 70000 > 80 S 0:0(0)', 'a port is 0…65535'],
    ['0 read(3, ..., 10)', 'expected "="'],
    ['0 /* never ends', 'a comment that begins with /* has no end'],
    ['0 `sysctl', 'a command has no end'],
    ['nonsense', 'expected the time of an event'],
  ])('says what is wrong with %j', (text, message) => {
    expect(() => parseScript(text)).toThrow(ScriptSyntaxError);
    expect(problemOf(text)).toMatchObject({ kind: 'syntax' });
    expect(problemOf(text)?.message).toContain(message);
  });
});

describe('what a script finds', () => {
  it('names line, expectation and what came, both in its notation', () => {
    expect(problemOf(`${ESTABLISHED}+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 2`)).toEqual({
      kind: 'failure',
      line: 9,
      message:
        'expected "> . 1:101(100) ack 2", but got "> P. 1:101(100) ack 1 win 65535" at 0.000000: the flags are P. and not .',
    });
  });

  it('holds packets to their time', () => {
    const late = problemOf(`${ESTABLISHED}+0 < P. 1:101(100) ack 1 win 65535\n+0.01 > . 1:1(0) ack 101`);
    expect(late?.message).toBe('expected "> . 1:1(0) ack 101" at 0.010000, but nothing was sent by then');
    const early = problemOf(`${ESTABLISHED}+0 write(4, ..., 100) = 100\n+0.1 > P. 1:101(100) ack 1`);
    expect(early?.message).toContain('but it was sent at 0.000000');
    const tolerant = `--tolerance_usecs=40000\n${ESTABLISHED}+0 < P. 1:101(100) ack 1 win 65535\n+0.01 > . 1:1(0) ack 101`;
    expect(problemOf(tolerant)).toBeNull();
  });

  it('widens the tolerance with the time that passes, by a personality or an option', () => {
    const text = `${ESTABLISHED}+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+0.22 > P. 1:101(100) ack 1`;
    expect(runScript(text).problem?.message).toContain('at 0.220000, but it was sent at 0.200000');
    expect(runScript(`--tolerance_percent=12.5\n${text}`).problem).toBeNull();
    expect(runScript(text, { personality: 'linux' }).problem).toBeNull();
  });

  it('counts from what happened and not from what was meant to happen', () => {
    const text = `--tolerance_usecs=20000
${ESTABLISHED}+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1
+0.185 > P. 1:101(100) ack 1
+0.385 > P. 1:101(100) ack 1`;
    expect(problemOf(text)).toBeNull();
  });

  it('looks at the connection under test alone, unless a packet names ports', () => {
    const other = `${ESTABLISHED}+0 < 50000 > 8080 S 0:0(0) win 65535 <mss 1000>\n+0 write(4, ..., 100) = 100`;
    expect(problemOf(`${other}\n+0 > P. 1:101(100) ack 1`)).toBeNull();
    expect(problemOf(`${other}\n+0 > 8080 > 50000 S. 0:0(0) ack 1 <...>\n+0 > P. 1:101(100) ack 1`)).toBeNull();
    expect(problemOf(`${other}\n+0 > 8080 > 50001 S. 0:0(0) ack 1 <...>`)?.line).toBe(10);
  });

  it('does not pass over a packet that nobody expects', () => {
    const { line, message } = problemOf(`${ESTABLISHED}+0 write(4, ..., 100) = 100\n+0.1 close(4) = 0`) ?? {
      line: 0,
      message: '',
    };
    expect(line).toBe(9);
    expect(message).toContain('nothing more was expected before this event, but "> P. 1:101(100) ack 1');
    // As the reference tool does it for the stacks that its scripts are written for.
    const text = `${ESTABLISHED}+0 write(4, ..., 100) = 100\n+0.1 close(4) = 0`;
    expect(runScript(text, { personality: 'linux' }).problem).toBeNull();
    expect(runScript(text, { personality: 'bsd' }).problem).toBeNull();
  });

  it.each([
    ['+0 read(4, ..., 100) = 5', 'read(4, ..., 100) blocks, but the script expects it to return at once'],
    ['+0...0.1 read(4, ..., 100) = 5\n+1 close(4) = 0', 'should have returned at 0.100000, but it still blocks'],
    ['+0 fcntl(4, F_GETFL) = 1', 'fcntl(4, F_GETFL): expected 1, but it returned 2'],
    ['+0 close(7) = 0', 'close(7): expected 0, but it returned -1 EBADF'],
    ['+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [5], [4]) = 0', 'getsockopt: expected TCP_MAXSEG 5, but it is 1000'],
    [
      '+0 %{ assert tcpi_snd_cwnd == 3, "cwnd" }%',
      'assert tcpi_snd_cwnd == 3, "cwnd" does not hold ("cwnd"): tcpi_snd_cwnd is 10',
    ],
  ])('%s', (event, message) => {
    expect(problemOf(ESTABLISHED + event)?.message).toContain(message);
  });

  it.each([
    ['`sysctl net.ipv4.tcp_retries2=many`', '"many" is no number'],
    ['%{ while True: pass }%', 'only assert, print, if and assignments can stand in %{ }%'],
    ['%{ assert no_such_name }%', 'uses no_such_name, which is not known here'],
    ['frobnicate(3) = 0', 'is no system call that is known here'],
    ['setsockopt(3, SOL_TCP, TCP_FROBNICATE, [1], 4) = 0', 'cannot set TCP_FROBNICATE'],
  ])('%s is refused with its line', (event, message) => {
    const problem = problemOf(`${LISTENING}+0 ${event}\n+1 close(3) = 0`);
    expect(problem).toMatchObject({ kind: 'syntax', line: 4 });
    expect(problem?.message).toContain(message);
  });

  it.each([
    ['x = 1\ny = x + 2\nx += 4\nassert (x, y) == (5, 3)', null],
    ['if tcpi_snd_cwnd == 10:\n  assert True\nelse:\n  assert False\nassert 1 < 2 < 3', null],
    [
      'if tcpi_snd_cwnd > 10: assert False\nelif tcpi_snd_cwnd in (9, 10): x = 7\nelse: assert False\nassert x == 7',
      null,
    ],
    ['if False:\n  assert False\n  if True:\n    assert False\nassert not False and (1 or 0)', null],
    ['assert tcpi_state not in [TCP_CLOSE, TCP_LISTEN]', null],
    ['assert abs(tcpi_rtt - tcpi_rtt) <= 5 and \\\n  max(1, 2) == 2 and len("abc") == 3', null],
    ['assert tcpi_snd_cwnd == (10 if tcpi_snd_mss == 1000 else 9), "cwnd: %d" % tcpi_snd_cwnd', null],
    ['assert tcpi_state == TCP_ESTABLISHED == TCPI_ESTABLISHED == TCPS_ESTABLISHED', null],
    ['assert 7 // 2 == 3 and -7 // 2 == -4 and 2 ** 3 == 8 and 0x10 == 16 and 1e3 == 1000', null],
    ['if 1\n  pass', 'misses a colon'],
    ['assert (1, 2', 'misses a )'],
    ['if True:\n  assert 1 == 2, "why"', 'assert 1 == 2, "why" does not hold ("why")'],
  ])('%% { %s }% is evaluated', (code, message) => {
    const problem = problemOf(`${ESTABLISHED}+0 %{\n${code}\n}%`);
    if (message === null) expect(problem).toBeNull();
    else expect(problem?.message).toContain(message);
  });

  it('knows the members of Linux and FreeBSD, of a connection that is over too', () => {
    const names =
      'tcpi_delivery_rate_app_limited, tcpi_busy_time, tcpi_rehash, tcpi_snd_zerowin, tcpi_toe_tid, tcpi_fackets';
    expect(problemOf(`${ESTABLISHED}+0 %{ assert sum((${names})) >= 0 }%`)).toBeNull();
    const over = `${ESTABLISHED}+0 < R. 1:1(0) ack 1 win 65535\n+0 %{ assert tcpi_snd_cwnd == 0 and tcpi_state == TCP_CLOSE }%`;
    expect(problemOf(over)).toBeNull();
  });

  it('has the congestion window of BSD in bytes', () => {
    const code = '%{ assert tcpi_snd_cwnd == 10 * tcpi_snd_mss == 10000; assert tcpi_snd_ssthresh == 65535 << 14 }%';
    expect(runScript(`${ESTABLISHED}+0 ${code}`, { personality: 'bsd' }).problem).toBeNull();
  });

  it('prints formatted text', () => {
    const { printed } = runScript(`${ESTABLISHED}+0 %{ print("cwnd %d of %s, 100%%" % (tcpi_snd_cwnd, "it")) }%`);
    expect(printed).toEqual(['cwnd 10 of it, 100%']);
  });

  it('keeps what code has assigned for the code that follows', () => {
    expect(problemOf(`${ESTABLISHED}+0 %{ old = tcpi_snd_cwnd }%\n+0.1 %{ assert tcpi_snd_cwnd == old }%`)).toBeNull();
  });

  it.each([
    ['`rm -rf /`', 'the command "rm -rf /": there is nothing that it could change here; it was left out'],
    [
      '`sysctl -q net.ipv4.no_such_thing=1`',
      'there is no setting of the stack for net.ipv4.no_such_thing; it was left out',
    ],
  ])('%s is left out, and the run says so', (event, message) => {
    const { problem, printed } = runScript(`${LISTENING}+0 ${event}\n+1 close(3) = 0`);
    expect(problem).toBeNull();
    expect(printed).toEqual([expect.stringContaining(message)]);
    expect(printed[0]).toContain('line 4: ');
  });

  it('takes deviations that are declared not fatal, and tells of them', () => {
    const { problem, printed } = runScript(
      `--non_fatal=packet,syscall\n${ESTABLISHED}+0 fcntl(4, F_GETFL) = 1\n+0.1 > . 1:1(0) ack 5`,
    );
    expect(problem).toBeNull();
    expect(printed).toHaveLength(2);
  });

  it('takes definitions and options from outside', () => {
    const text = `${LISTENING}+0 < S 0:0(0) win 65535 <mss PEER_MSS>\n+0 > S. 0:0(0) ack 1 <mss 1260>`;
    const options = [{ line: 0, name: 'mtu', value: '1300' }];
    expect(runScript(text, { definitions: new Map([['PEER_MSS', '1000']]), options }).problem).toBeNull();
    expect(runScript(text, { options }).problem).toMatchObject({ kind: 'syntax', line: 4 });
    const wrong = runScript(LISTENING, { options: [{ line: 0, name: 'mtu', value: 'big' }] }).problem;
    expect(wrong?.message).toBe('--mtu=big: give a whole number from 68 to 65535');
  });

  it('wants both addresses of one family, and a network for them', () => {
    const mixed = runScript(`--ip_version=ipv6\n--remote_ip=10.0.0.1\n${LISTENING}`).problem;
    expect(mixed).toMatchObject({ kind: 'syntax', line: 2 });
    expect(mixed?.message).toBe('fd3d:a0b:17d6::1 cannot reach 10.0.0.1: give both addresses of one family');
    const ours = '--ip_version=ipv6\n--local_ip=10.0.0.2\n--remote_ip=10.0.0.1\n--gateway_ip=10.0.0.3\n';
    expect(runScript(`${ours}${LISTENING}`).problem).toBeNull();
  });

  it('is the same every time', () => {
    const text = `${ESTABLISHED}+0 %{ print(tcpi_rtt, tcpi_rto) }%`;
    expect(runScript(text)).toEqual(runScript(text));
  });
});

describe('personalities', () => {
  const syn = '+0 < S 0:0(0) win 65535 <mss 1460,nop,wscale 6,sackOK,TS val 100 ecr 0>\n';

  it('bsd orders and pads the options of a SYN as FreeBSD does', () => {
    const text = `${LISTENING}${syn}+0 > S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 6,sackOK,TS val 1 ecr 100>`;
    expect(runScript(text, { personality: 'bsd' }).problem).toBeNull();
    expect(runScript(text, { personality: 'linux' }).problem).not.toBeNull();
    const plain = `${LISTENING}+0 < S 0:0(0) win 65535 <mss 1460,sackOK,nop,nop>\n+0 > S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,eol,eol>`;
    expect(runScript(plain, { personality: 'bsd' }).problem).toBeNull();
  });

  it('linux acknowledges the first segments at once, and writes large segments as one', () => {
    const text = `${ESTABLISHED}+0 < P. 1:101(100) ack 1 win 65535
+0 > . 1:1(0) ack 101
+0 write(4, ..., 5000) = 5000
+0 > P. 1:5001(5000) ack 101`;
    expect(runScript(text, { personality: 'linux' }).problem).toBeNull();
    expect(runScript(text, { personality: 'default' }).problem).toMatchObject({ line: 9 });
  });

  it.each([
    ['default', 'P. 101:102(1) ack 1', 0.25],
    ['linux', '. 100:100(0) ack 1', 0.3],
    ['bsd', 'P. 101:102(1) ack 1', 5],
  ] as const)('%s has its own way to probe a zero window', (personality, probe, seconds) => {
    const text = `${ESTABLISHED.replace('+0 < . 1:1', '+0.1 < . 1:1')}+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1
+0.1 < . 1:1(0) ack 101 win 0
+0 write(4, ..., 1) = 1
+${seconds} > ${probe}`;
    expect(runScript(text, { personality }).problem).toBeNull();
  });

  it.each([
    ['default', [1, 2, 4]],
    ['linux', [1, 1, 1, 1, 1, 2, 4]],
    ['bsd', [1, 1, 1, 1, 1, 2]],
  ] as const)('%s backs a SYN off in its own way', (personality, intervals) => {
    const text = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) <...>
${intervals.map((seconds) => `+${seconds} > S 0:0(0) <...>`).join('\n')}`;
    expect(runScript(`\`sysctl net.ipv4.tcp_syn_retries=8\`\n${text}`, { personality }).problem).toBeNull();
  });

  it.each([
    ['default', 0.2],
    ['linux', 0.21],
    ['bsd', 0.23],
  ] as const)('%s has its own shortest RTO', (personality, seconds) => {
    const text = `--tolerance_usecs=1500
${ESTABLISHED.replace('+0 < . 1:1', '+0.01 < . 1:1')}+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1
+${seconds} > P. 1:101(100) ack 1`;
    expect(runScript(text, { personality }).problem).toBeNull();
  });
});
