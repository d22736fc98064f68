/**
 * Commands of a script, mapped to settings of the stack: nothing is ever given to a shell. What has no counterpart here is
 * left out, and the run says so unless it is known not to change what a script observes.
 */
import { ARRIVAL_RULES, type ArrivalRules, type TcpParameters } from '../tcp/index.ts';
import { ScriptSyntaxError } from './errors.ts';
import type { Settings } from './settings.ts';

/** What a command may do beside setting something. */
export interface CommandHost {
  readonly settings: Settings;
  /** Time passes, microseconds. */
  sleep(microseconds: number): void;
  /** All connections are reset, as tcpdrop does. */
  dropConnections(): void;
  /** Says that something was left out. */
  note(line: number, message: string): void;
}

type Knob = (settings: Settings, value: string, fail: (message: string) => never) => void;

function parameter(name: keyof TcpParameters, scale = 1): Knob {
  return (settings, value, fail) => {
    settings.parameters = { ...settings.parameters, [name]: number(value, fail) * scale };
  };
}

function number(value: string, fail: (message: string) => never): number {
  return /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : fail(`"${value}" is no number`);
}

const CONGESTION: Readonly<Record<string, 'cubic' | 'newreno'>> = {
  cubic: 'cubic',
  reno: 'newreno',
  newreno: 'newreno',
};

function congestionControl(settings: Settings, value: string, fail: (message: string) => never): void {
  const name = CONGESTION[value] ?? fail(`there is no congestion control ${value}: cubic and reno are known`);
  settings.parameters = { ...settings.parameters, congestionControl: name };
}

function option(name: 'timestamps' | 'selectiveAcknowledgment' | 'windowScaling'): Knob {
  return (settings, value) => {
    settings.connection = { ...settings.connection, [name]: value !== '0' };
  };
}

/** The middle number of "least default most" is the buffer; the last decides the window scale. */
function receiveMemory(settings: Settings, value: string, fail: (message: string) => never): void {
  const [, standard, most] = value
    .trim()
    .split(/\s+/)
    .map((part) => number(part, fail));
  if (most === undefined) fail('takes three numbers');
  settings.receiveBufferBytes = Math.max(1, Math.min(Math.floor(standard / 2), 65_535));
  settings.connection = { ...settings.connection, windowScale: scaleFor(most) };
}

/** As Linux chooses it: the largest window must fit. */
function scaleFor(bytes: number): number {
  return Math.min(14, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes))) - 15));
}

/** A rule for arriving segments, from the value of the knob. */
function arrival(rules: (value: string) => Partial<ArrivalRules>): Knob {
  return (settings, value, fail) => {
    number(value, fail);
    const before = settings.parameters.arrival ?? ARRIVAL_RULES.standard;
    settings.parameters = { ...settings.parameters, arrival: { ...before, ...rules(value) } };
  };
}

function keepAlive(name: keyof Settings['keepAlive'], scale: number): Knob {
  return (settings, value, fail) => {
    settings.keepAlive = { ...settings.keepAlive, [name]: number(value, fail) * scale };
  };
}

function blackHoleDetection(settings: Settings, value: string): void {
  settings.blackHoleDetection = value !== '0';
}

/** ECN by the numbers of Linux and FreeBSD. From 3 on they ask for accurate ECN (RFC 9768): what is less of it is agreed on. */
const ECN: Readonly<Record<string, TcpParameters['ecn']>> = {
  0: 'off',
  1: 'request',
  2: 'accept',
  3: 'request',
  4: 'accept',
  5: 'accept',
};

function ecn(settings: Settings, value: string, fail: (message: string) => never): void {
  settings.parameters = { ...settings.parameters, ecn: ECN[value] ?? fail(`there is no way ${value} to use ECN`) };
}

/** Knobs by their names. */
const KNOBS: Readonly<Record<string, Knob>> = {
  'net.ipv4.tcp_timestamps': option('timestamps'),
  'net.ipv4.tcp_sack': option('selectiveAcknowledgment'),
  'net.ipv4.tcp_window_scaling': option('windowScaling'),
  'net.ipv4.tcp_rmem': receiveMemory,
  'net.ipv4.tcp_congestion_control': congestionControl,
  'net.ipv4.tcp_ecn': ecn,
  'net.inet.tcp.ecn.enable': ecn,
  'net.ipv4.tcp_retries2': parameter('maximumRetransmissions'),
  'net.ipv4.tcp_syn_retries': parameter('maximumSynRetransmissions'),
  'net.ipv4.tcp_synack_retries': parameter('maximumSynAckRetransmissions'),
  'net.ipv4.tcp_syn_linear_timeouts': parameter('linearSynRetransmissions'),
  'net.ipv4.tcp_slow_start_after_idle': (settings, value) => {
    settings.parameters = { ...settings.parameters, idleRestart: value === '0' ? 'none' : 'decay' };
  },
  'net.ipv4.tcp_rfc1337': arrival((value) => ({ resetsInTimeWait: value === '0' ? 'exact' : 'ignored' })),
  'net.ipv4.tcp_invalid_ratelimit': arrival((value) => ({
    challengeMilliseconds: Number(value) || 0,
    emptyAnswerMilliseconds: Number(value) || 0,
  })),
  'net.ipv4.tcp_fin_timeout': parameter('finWait2Ticks', 1000),
  'net.ipv4.tcp_recovery': (settings, value, fail) => {
    const lossDetection = number(value, fail) & 1 ? 'rack' : 'dupack';
    settings.parameters = { ...settings.parameters, lossDetection };
  },
  'net.ipv4.tcp_early_retrans': (settings, value, fail) => {
    const mode = number(value, fail);
    settings.parameters = { ...settings.parameters, tailLossProbe: mode === 3 || mode === 4 };
  },
  'net.ipv4.tcp_frto': (settings, value) => {
    settings.parameters = { ...settings.parameters, forwardRto: value !== '0' };
  },
  'net.ipv4.tcp_reordering': parameter('duplicateAckThreshold'),
  'net.ipv4.tcp_rto_min_us': parameter('minimumVarianceTicks', 1 / 1000),
  'net.ipv4.tcp_rto_max_ms': parameter('maximumRtoTicks'),
  'net.ipv4.tcp_challenge_ack_limit': parameter('challengeAcksPerSecond'),
  'net.ipv4.tcp_keepalive_time': keepAlive('keepAliveIdle', 1),
  'net.ipv4.tcp_keepalive_intvl': keepAlive('keepAliveInterval', 1),
  'net.ipv4.tcp_keepalive_probes': keepAlive('keepAliveProbes', 1),

  'net.ipv4.tcp_mtu_probing': blackHoleDetection,
  'net.inet.tcp.pmtud_blackhole_detection': blackHoleDetection,

  'net.inet.tcp.rfc1323': (settings, value, fail) => {
    // 0 off, 1 on, 2 window scaling alone, 3 timestamps alone.
    const mode = number(value, fail);
    const timestamps = mode === 1 || mode === 3;
    settings.connection = { ...settings.connection, windowScaling: mode === 1 || mode === 2, timestamps };
  },
  'net.inet.tcp.sack.enable': option('selectiveAcknowledgment'),
  'net.inet.tcp.delayed_ack': (settings, value) => {
    settings.parameters = { ...settings.parameters, ackFrequency: value === '0' ? 1 : 2 };
  },
  'net.inet.tcp.delacktime': parameter('delayedAckTicks'),
  'net.inet.tcp.msl': parameter('timeWaitTicks', 2),
  'net.inet.tcp.finwait2_timeout': parameter('finWait2Ticks'),
  'net.inet.tcp.keepinit': parameter('openingTicks'),
  'net.inet.tcp.syncache.rexmtlimit': parameter('maximumSynAckRetransmissions'),
  'net.inet.tcp.drop_synfin': arrival((value) => ({ dropsSynFin: value !== '0' })),
  'net.inet.tcp.persmin': parameter('minimumPersistTicks'),
  'net.inet.tcp.rexmit_min': parameter('minimumRtoTicks'),
  'net.inet.tcp.rexmit_slop': parameter('rtoSlopTicks'),
  'net.inet.tcp.rexmit_initial': parameter('initialRtoTicks'),
  'net.inet.tcp.initcwnd_segments': parameter('initialWindowSegments'),
  'net.inet.tcp.cc.algorithm': congestionControl,
  'net.inet.tcp.recvspace': (settings, value, fail) => {
    settings.receiveBufferBytes = number(value, fail);
  },
  'net.inet.tcp.sendspace': (settings, value, fail) => {
    settings.sendBufferBytes = number(value, fail);
  },
  'kern.ipc.maxsockbuf': (settings, value, fail) => {
    let scale = 0;
    const bytes = number(value, fail);
    while (scale < 14 && 65_535 * 2 ** scale < bytes) scale++;
    settings.connection = { ...settings.connection, windowScale: scale };
  },
  'net.inet.tcp.keepidle': keepAlive('keepAliveIdle', 1 / 1000),
  'net.inet.tcp.keepintvl': keepAlive('keepAliveInterval', 1 / 1000),
  'net.inet.tcp.keepcnt': keepAlive('keepAliveProbes', 1),
};

/** Settings that exist elsewhere and change nothing that a script can see of this stack, or that it has for good. */
const HARMLESS_KNOBS = [
  /^net\.ipv4\.tcp_(?:wmem|mem|no_metrics_save|moderate_rcvbuf|autocorking|min_tso_segs|tso_rtt_log|tso_win_divisor)$/,
  /^net\.ipv4\.tcp_(?:limit_output_bytes|thin_linear_timeouts|thin_dupack)$/,
  /^net\.ipv4\.tcp_(?:metrics_save|pacing_\w+|notsent_lowat|adv_win_scale|app_win|backlog_ack_defer)$/,
  /^net\.ipv4\.tcp_(?:fastopen\w*|ecn_fallback|dsack|fack|max_reordering|retries1|retrans_collapse|syncookies|tw_reuse)$/,
  /^net\.ipv4\.tcp_(?:workaround_signed_windows|shrink_window|comp_sack_\w+|plb_\w+|reflect_tos|abort_on_overflow)$/,
  /^net\.ipv4\.tcp_(?:max_syn_backlog|base_mss|min_snd_mss|mtu_probe_floor|probe_\w+|orphan_retries|stdurg)$/,
  /^net\.ipv4\.tcp_(?:allowed_congestion_control|available_congestion_control|ao_\w+|migrate_req|child_ehash_entries)$/,
  /^net\.ipv4\.(?:ip_|icmp_|route\.|conf\.|neigh\.|udp_)/,
  /^net\.ipv6\./,
  /^net\.core\./,
  /^net\.mptcp\./,
  /^net\.inet6?\.(?:ip6?|icmp6?|udp)\./,
  /^net\.inet\.tcp\.(?:hostcache\.|tso|path_mtu_discovery|pmtud_blackhole\w*|syncookies\w*|syncache\.|cc\.|functions_\w+)/,
  /^net\.inet\.tcp\.(?:rfc\d+\w*|ecn\.(?:generic|maxretries)$|fastopen\.|rack\.|bbr\.|log_\w+|bb\.|do_\w+|newcwv|abc_l_var|initcwnd\w*)/,
  /^net\.inet\.tcp\.(?:recvbuf_\w+|sendbuf_\w+|always_keepalive|mssdflt|minmss|v6mssdflt|maxtcptw|nolocaltimewait)$/,
  /^net\.inet\.tcp\.(?:fast_finwait2_recycle|insecure_\w+|reass\.\w+|isn_reseed_interval|ts_offset_per_conn)$/,
  /^net\.inet\.tcp\.(?:tolerate_missing_ts|icmp_may_rst|soreceive_stream|sack\.\w+|lro\.\w+|udp_tunneling_port|tw_\w+|msl_local)$/,
  /^net\.inet\.tcp\.(?:rexmit_drop_options|blackhole\w*|signature_verify_input|persmax|per_cpu_timers|timer_\w+)$/,
  /^kern\./,
  /^net\.link\./,
  /^net\.isr\./,
];

/** Programs that change nothing here. */
const HARMLESS_PROGRAMS = [
  /^(?:true|:|echo|cat|sync|id|uname|which|test|\[|exit|set|export|unset|umask|printf|dmesg|logger)(?:\s|$)/,
  /^(?:modprobe|kldload|kldunload|kldstat|sockstat|netstat|nstat|ss|lsmod|ethtool|tcpdump)(?:\s|$)/,
  /^(?:ip|tc)\s+(?:-\S+\s+)*(?:tcp_metrics|neigh|addr|address|-?s|qdisc|netns)\b/,
  /^rm\s+-?\w*\s*\/tmp\//,
  /restore\w*(?:_\S*)?\.sh\b/,
];

/** Defaults that scripts for Linux begin with: buffers and their window scale. */
const DEFAULTS_SCRIPT = /(?:^|\/)defaults\.sh\b/;
const DEFAULTS_RECEIVE_MEMORY = '4096 540000 15728640';

/** Obeys the commands of one event, or of the beginning or end of a script. @throws ScriptSyntaxError */
export function runCommands(host: CommandHost, text: string, line: number): void {
  let at = line;
  for (const row of text.replace(/\\\n/g, ' \n').split('\n')) {
    const commands = row.replace(/(^|\s)#.*$/, '$1').split(/;|&&|\|\|/);
    for (const command of commands) if (command.trim() !== '') runCommand(host, command.trim(), at);
    at++;
  }
}

function runCommand(host: CommandHost, text: string, line: number): void {
  const command = text
    .replace(/\s*\d?>{1,2}\s*(?:\/dev\/null|&\d)/g, '')
    .replace(/^(?:sudo|nohup|env)\s+/, '')
    .trim();
  const fail = (message: string): never => {
    throw new ScriptSyntaxError(line, `the command "${command}": ${message}`);
  };
  const note = (message: string): void => host.note(line, `the command "${command}": ${message}`);
  const { settings } = host;
  if (DEFAULTS_SCRIPT.test(command)) {
    setKnob(settings, 'net.ipv4.tcp_rmem', DEFAULTS_RECEIVE_MEMORY, fail, note);
    return;
  }
  const words = splitWords(command);
  const program = words[0].replace(/^.*\//, '');
  if (program === 'sysctl') {
    sysctl(settings, words.slice(1), fail, note);
    return;
  }
  if (/^set_sysctls?(?:\.py)?$/.test(program)) {
    for (const assignment of words.slice(1)) {
      const [path, ...value] = assignment.split('=');
      setKnob(settings, knobOfPath(path), value.join('='), fail, note);
    }
    return;
  }
  const written = /^echo\s+(?:-n\s+)?["']?([^"'>]*?)["']?\s*>\s*(\/proc\/sys\/\S+)$/.exec(command);
  if (written !== null) {
    setKnob(settings, knobOfPath(written[2]), written[1], fail, note);
    return;
  }
  if (program === 'sleep') {
    host.sleep(Math.round(Number(words[1]?.replace(/s$/, '')) * 1_000_000) || fail('takes a number of seconds'));
    return;
  }
  if (program === 'tcpdrop') {
    host.dropConnections();
    return;
  }
  const mtu = /^(?:ip\s+link\s+set|ifconfig)\s.*\bmtu\s+(\d+)/.exec(command);
  if (mtu !== null) {
    settings.mtu = Number(mtu[1]);
    return;
  }
  if (program === 'ip' && words[1] === 'route') {
    route(settings, words, fail);
    return;
  }
  if (program === 'ifconfig' || (program === 'ip' && words[1] === 'link')) return;
  if (HARMLESS_PROGRAMS.some((pattern) => pattern.test(command))) return;
  note('there is nothing that it could change here; it was left out');
}

/** What a route says of the connections over it. */
function route(settings: Settings, words: readonly string[], fail: (message: string) => never): void {
  const settingOf = (name: string): string | null => {
    const at = words.indexOf(name);
    if (at < 0) return null;
    return words[at + 1] === 'lock' ? words[at + 2] : words[at + 1];
  };
  const initialWindow = settingOf('initcwnd');
  if (initialWindow !== null) parameter('initialWindowSegments')(settings, initialWindow, fail);
  const advertised = settingOf('advmss');
  if (advertised !== null)
    settings.connection = { ...settings.connection, maximumSegmentSize: number(advertised, fail) };
  const mtu = settingOf('mtu');
  if (mtu !== null) settings.mtu = number(mtu, fail);
  const minimumRto = settingOf('rto_min');
  if (minimumRto !== null) parameter('minimumVarianceTicks')(settings, minimumRto.replace(/ms$/, ''), fail);
  const congestion = settingOf('congctl');
  if (congestion !== null) congestionControl(settings, congestion, fail);
}

function sysctl(
  settings: Settings,
  words: readonly string[],
  fail: (message: string) => never,
  note: (message: string) => void,
): void {
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word.startsWith('-')) continue;
    const equals = word.indexOf('=');
    // Without a value it is a question; nobody reads the answer.
    if (equals < 0) continue;
    let value = word.slice(equals + 1);
    if (value === '' && i + 1 < words.length) value = words[++i];
    setKnob(settings, word.slice(0, equals).trim().replaceAll('/', '.'), value, fail, note);
  }
}

function knobOfPath(path: string): string {
  return path.replace(/^\/proc\/sys\//, '').replaceAll('/', '.');
}

function setKnob(
  settings: Settings,
  name: string,
  value: string,
  fail: (message: string) => never,
  note: (message: string) => void,
): void {
  const knob = KNOBS[name];
  if (knob !== undefined) {
    knob(settings, value.trim(), fail);
    return;
  }
  if (!HARMLESS_KNOBS.some((pattern) => pattern.test(name))) {
    note(`there is no setting of the stack for ${name}; it was left out`);
  }
}

/** Words with quotes taken off, a quoted part after = included. */
function splitWords(command: string): string[] {
  const words = command.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replace(/["']/g, ''));
}
