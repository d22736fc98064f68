/** What `chimney demo` prints in the end. */
import type { RetransmissionCounts } from '../trace/index.ts';
import { formatSize } from './units.ts';

/** The report as `--json` prints it. Times in microseconds where the name says so, otherwise seconds. */
export interface DemoReport {
  readonly bytes: number;
  readonly sha256: { readonly sent: string; readonly received: string };
  readonly moves: { readonly down: number; readonly up: number; readonly refused: number };
  readonly resets: number;
  readonly lostBytes: number;
  readonly duplicatedBytes: number;
  readonly retransmissions: RetransmissionCounts;
  readonly moveMicroseconds: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly impairedFrames: number;
  readonly seconds: number;
}

/** Nearest-rank percentile of unsorted values; 0 when there are none. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** The report for people. */
export function formatReport(report: DemoReport, wanted: number): string {
  const same = report.sha256.sent === report.sha256.received;
  const rate = (report.bytes * 8) / report.seconds / 1e6;
  const r = report.retransmissions;
  const causes = [
    `${r.replacingLost} replace what the wire lost`,
    `${r.explainedByWire - r.replacingLost} for what it delayed or seemed to have lost`,
    `${r.causedByMoves} because of moves`,
    `${r.unexplained} other`,
  ].join(', ');
  const m = report.moveMicroseconds;
  return [
    `  bytes            ${report.bytes} (${formatSize(report.bytes)}) in ${report.seconds.toFixed(2)} s, ${rate.toFixed(0)} Mbit/s`,
    `  SHA-256 sent     ${report.sha256.sent}`,
    `  SHA-256 received ${report.sha256.received}  ${same ? 'equal' : 'DIFFERENT'}`,
    `  moves            ${report.moves.down} down, ${report.moves.up} up of ${wanted} each, ${report.moves.refused} refused`,
    `  a move took      ${m.p50.toFixed(0)} µs (median), ${m.p99.toFixed(0)} µs (p99), ${m.max.toFixed(0)} µs (longest)`,
    `  resets           ${report.resets}`,
    `  bytes lost       ${report.lostBytes}, duplicated ${report.duplicatedBytes}`,
    `  retransmissions  ${r.total === 0 ? 'none' : `${r.total}: ${causes}`}`,
    `  wire             ${report.impairedFrames} frames lost, doubled, delayed or damaged`,
  ].join('\n');
}
