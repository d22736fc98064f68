import type { ExtensionPart, TcpExtensionState } from '../tcp/index.ts';

/** What of an extension means something: what is lost when an end drops it (spec/decisions.md 23). */
export function partsOfExtension(extension: TcpExtensionState | null): ExtensionPart[] {
  if (extension === null) return [];
  const parts: ExtensionPart[] = [];
  if (extension.outOfOrder.length > 0 || extension.outOfOrderFin !== null) parts.push('out-of-order bytes');
  if (extension.scoreboard.length > 0) parts.push('SACK scoreboard');
  if (extension.ecn !== undefined) parts.push('ECN');
  if (holdsLossRecovery(extension)) parts.push('loss recovery state');
  parts.push('congestion control state', 'RTT precision');
  return parts;
}

/** Something is in flight, or the path is known to reorder, so that dropping the rest changes what is sent. */
function holdsLossRecovery(extension: TcpExtensionState): boolean {
  const state = extension.lossRecovery;
  return state !== undefined && (state.flight !== null || state.reorderingSeen);
}
