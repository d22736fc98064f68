/** `chimney demo`: a live connection goes down the chimney and comes back, again and again, on real data. */
import { performance } from 'node:perf_hooks';
import type { Command } from 'commander';
import { Option } from 'commander';
import { Capture } from './capture.ts';
import { type DemoReport, formatReport, percentile } from './demo-report.ts';
import { CommandFailure, Interruption } from './errors.ts';
import { MoveRemarks } from './move-remarks.ts';
import { Network } from './network.ts';
import { createProgress } from './progress.ts';
import { interrupted } from './signals.ts';
import { type ByteSource, createNoiseSource, openFileSource } from './source.ts';
import { type TransferResult, transfer } from './transfer.ts';
import { formatSize, parseDuration, parseInteger, parseProbability, parseRate, parseSize } from './units.ts';

interface DemoOptions {
  readonly size: number;
  readonly moves: number;
  readonly loss: number;
  readonly reorder: number;
  readonly duplicate: number;
  readonly ce: number;
  readonly delay: number;
  readonly bandwidth?: number;
  readonly mtu: number;
  readonly seed: number;
  readonly pcap?: string;
  readonly targetConnections?: number;
  readonly json?: boolean;
}

/** IPv4 needs 68 bytes (RFC 791 section 3.2); below 576 nothing useful can be said about TCP. */
const SMALLEST_MTU = 576;
const LARGEST_MTU = 65_535;

const EXAMPLES = `
Examples:
  chimney demo                                     64 MiB of noise, 50 moves down and 50 up
  chimney demo film.mp4 --moves 1000               a file, and more moves
  chimney demo --loss 0.02 --reorder 0.02          a bad wire
  chimney demo --pcap moves.pcapng && wireshark moves.pcapng`;

/** Adds the command to the program. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description(
      'Download a file between two hosts while the serving connection moves between stack and offload target.',
    )
    .argument('[file]', 'file to serve; without it, noise of --size bytes is served')
    .addOption(
      new Option('--size <bytes>', 'bytes to serve when no file is given')
        .argParser(parseSize)
        .default(64 * 1024 ** 2, '64MiB'),
    )
    .option('--moves <n>', 'moves down, and as many up', parseInteger(0, 100_000), 50)
    .option('--loss <share>', 'share of frames that the wire loses', parseProbability, 0.001)
    .option(
      '--reorder <share>',
      'share of frames that the wire delays, so that others overtake',
      parseProbability,
      0.001,
    )
    .option('--duplicate <share>', 'share of frames that the wire doubles', parseProbability, 0.001)
    .option(
      '--ce <share>',
      'share of frames that the wire marks "congestion experienced"; the hosts then use ECN',
      parseProbability,
      0,
    )
    .addOption(new Option('--delay <time>', 'one-way delay of the wire').argParser(parseDuration).default(2_000, '2ms'))
    .option('--bandwidth <rate>', 'speed of the wire, for example 100Mbit; unlimited when left out', parseRate)
    .option('--mtu <bytes>', 'MTU of the wire', parseInteger(SMALLEST_MTU, LARGEST_MTU), 1500)
    .option('--seed <n>', 'decides the noise and what the wire does', parseInteger(0, 0x7fffffff), 1)
    .option('--pcap <file>', 'write a pcapng capture of the wire, with remarks on the packets around each move')
    .addOption(
      new Option('--target-connections <n>', 'most connections that the offload target takes').argParser(
        parseInteger(0, 1_000_000),
      ),
    )
    .option('--json', 'print one JSON object instead of text')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, options: DemoOptions) => demo(file, options));
}

async function demo(file: string | undefined, options: DemoOptions): Promise<void> {
  const source = file === undefined ? createNoiseSource(options.size, options.seed) : await openFileSource(file);
  let capture: Capture | undefined;
  let network: Network | undefined;
  let outcome: Outcome;
  try {
    if (options.pcap !== undefined) capture = new Capture(options.pcap, 0);
    network = createNetwork(options, capture);
    outcome = await Promise.race([runDemo(source, options, network, capture), endOnSignal()]);
  } finally {
    network?.close();
    capture?.close();
    await source.close();
  }
  console.log(options.json ? JSON.stringify(outcome.report, null, 2) : formatReport(outcome.report, options.moves));
  judge(outcome.report, options.moves, outcome.refusal);
  if (capture !== undefined && capture.failure !== null) throw new CommandFailure(capture.failure);
}

/** What a run has come to. */
interface Outcome {
  readonly report: DemoReport;
  /** Why a move was refused; null when none was. */
  readonly refusal: string | null;
}

function createNetwork(options: DemoOptions, capture: Capture | undefined): Network {
  return new Network({
    seed: options.seed,
    wire: {
      delayMicroseconds: options.delay,
      bandwidthBitsPerSecond: options.bandwidth ?? 0,
      loss: options.loss,
      reorder: options.reorder,
      duplicate: options.duplicate,
      congestion: options.ce,
      mtu: options.mtu,
    },
    client: options.ce > 0 ? { parameters: { ecn: 'request' } } : {},
    server: options.targetConnections === undefined ? {} : { targetLimits: { connections: options.targetConnections } },
    watch: true,
    capture,
  });
}

async function endOnSignal(): Promise<never> {
  throw new Interruption(await interrupted());
}

async function runDemo(
  source: ByteSource,
  options: DemoOptions,
  network: Network,
  capture: Capture | undefined,
): Promise<Outcome> {
  if (!options.json) {
    console.log(
      `Serving ${source.name} (${formatSize(source.size)}) over HTTP on a connection that moves ${options.moves} times`,
    );
    console.log('from the host stack to the offload target and back, while its bytes flow:');
  }
  const progress = options.json ? null : createProgress(source.size);
  const started = performance.now();
  let owner = (): string => 'host';
  let moves = (): number => 0;
  try {
    const result = await transfer(network, source, options.moves, {
      serving: (socket, mover) => {
        owner = () => socket.owner;
        moves = () => mover.counts.down + mover.counts.up;
        mover.on('begin', () => network.audit.moved(socket.remotePort ?? 0));
        if (capture === undefined) return;
        const remarks = new MoveRemarks(socket, mover);
        capture.annotate = (host) => remarks.annotate(host);
      },
      progress: (bytes) => progress?.update(bytes, owner(), moves()),
    });
    const report = reportOf(result, network, (performance.now() - started) / 1e3);
    return { report, refusal: result.mover.refusal };
  } catch (error) {
    // What has a code happened to the connection; anything else is a bug and shall look like one.
    if (typeof (error as NodeJS.ErrnoException).code !== 'string') throw error;
    throw new CommandFailure(`The download failed: ${(error as Error).message}.`);
  } finally {
    progress?.stop();
  }
}

function reportOf(result: TransferResult, network: Network, seconds: number): DemoReport {
  const { durations, counts } = result.mover;
  const surplus = result.streamBytesReceived - result.streamBytesSent;
  return {
    bytes: result.bytesReceived,
    sha256: { sent: result.sha256Sent, received: result.sha256Received },
    moves: { ...counts },
    resets: network.audit.resets,
    lostBytes: Math.max(0, -surplus),
    duplicatedBytes: Math.max(0, surplus),
    retransmissions: { ...network.audit.counts },
    moveMicroseconds: {
      p50: percentile(durations, 0.5),
      p99: percentile(durations, 0.99),
      max: percentile(durations, 1),
    },
    impairedFrames: network.impairedFrames,
    seconds,
  };
}

/** Equal hashes and every move accounted for, or a sentence that says what is wrong. */
function judge(report: DemoReport, wanted: number, refusal: string | null): void {
  if (report.sha256.sent !== report.sha256.received) {
    throw new CommandFailure('The bytes received are not those sent: please report this with the seed.');
  }
  if (report.moves.down < wanted && refusal !== null) {
    throw new CommandFailure(
      `The offload target took the connection ${report.moves.down} of ${wanted} times (${refusal}): raise its limits, or ask for --moves 0.`,
    );
  }
  if (report.moves.down + report.moves.up + report.moves.refused !== 2 * wanted) {
    throw new CommandFailure(
      `Only ${report.moves.down} moves down and ${report.moves.up} up were answered, of ${wanted} each.`,
    );
  }
}
