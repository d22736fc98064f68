/** One connection comes down: its state, what it has in flight, and what nobody has read yet (spec/algorithms.md 12). */
import {
  adopt,
  type ConnectionOwner,
  ControlBlock,
  type ExtensionPart,
  output,
  TcpConstantState,
  TcpState,
} from '../../tcp/index.ts';
import { ipHeaderLength } from '../../wire/index.ts';
import { partsOfExtension } from '../extension.ts';
import type { NewTcp } from '../messages.ts';
import { bytesOf } from './admission.ts';
import { ConnectionDeliverySink } from './connection-owner.ts';
import { ConnectionContext, type PathContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { portPair } from './flow-table.ts';
import { ReceiveDelivery } from './receive-delivery.ts';
import { sendBacklogSize } from './send-backlog.ts';

/** Bytes of a TCP header without options. */
const TCP_HEADER_LENGTH = 20;

export interface TakenOver {
  readonly connection: ConnectionContext;
  /** Parts of the extension that were dropped (spec/decisions.md 23). */
  readonly lost: readonly ExtensionPart[];
}

/** Creates the context and lets the engine go on where the host stopped (STATE-06). Null when the 4-tuple is taken. */
export function takeOverConnection(
  core: NicCore,
  owner: ConnectionOwner,
  id: number,
  state: NewTcp,
  path: PathContext,
): TakenOver | null {
  const { localPort, remotePort } = state.constant;
  const ports = portPair(localPort, remotePort);
  if (core.flows.has(path.source, path.destination, ports)) return null;
  const connection = new ConnectionContext(id, path, ports);
  const constant = Object.assign(new TcpConstantState(), state.constant);
  const cached = core.tcp.cachedStates.share(state.cached);
  const overhead = ipHeaderLength(connection.family) + TCP_HEADER_LENGTH;
  const cb = new ControlBlock(core.tcp, owner, connection, constant, cached, overhead, path.pathMtu);
  cb.refuseUrgent = true; // URG-02
  for (const list of state.sends) {
    connection.sends.append(list.id, bytesOf(list.chunks), false, false);
    for (const chunk of list.chunks) cb.sendQueue.append(chunk);
  }
  core.transmitBytes += cb.sendQueue.length;
  const known = core.options.supportsExtension ? state.extension : null;
  adopt(core.tcp, cb, state.delegated, known, bytesOf(state.buffered));
  // What arrived while the connection moved is with the host, which forwards it once it knows of the completion (FWD-04).
  cb.forwardsUntil = core.tcp.nextTick + core.tcp.parameters.delayedAckTicks;
  const delivery = new ReceiveDelivery(new ConnectionDeliverySink(core, connection), true, state.buffered);
  delivery.indicationSize = cached.rcvIndicationSize;
  // A FIN that the host received is reported behind the data that nobody has read yet; without any the host has reported
  // it itself (EVT-01).
  if (peerHasClosed(cb) && delivery.backlog > 0) delivery.endAfterData();
  connection.attach(cb, delivery);
  connection.indicatedBacklog = sendBacklogSize(connection);
  connection.backlogIndicatedAt = core.tcp.now;
  core.connections.set(id, connection);
  core.flows.add(connection);
  path.connections.add(connection);
  output(core.tcp, cb);
  return { connection, lost: known === state.extension ? [] : partsOfExtension(state.extension) };
}

function peerHasClosed(cb: ControlBlock): boolean {
  const { state } = cb.delegated;
  return state === TcpState.CLOSE_WAIT || state === TcpState.CLOSING || state === TcpState.LAST_ACK;
}
