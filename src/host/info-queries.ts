/** Questions of the application about its connections, until they can be answered (`Connection.queryInfo`). */
import type { TcpDelegatedState } from '../tcp/index.ts';
import type { Connection } from './connection.ts';
import type { HostCore } from './core.ts';
import { CLOSED_INFO, infoOf, infoOfOffloaded, type TcpInfo } from './tcp-info.ts';

export type InfoAnswer = (info: TcpInfo) => void;

/** Asks the target for the delegated variables of an offloaded connection; null is the answer of a failed query. */
type Query = (connection: Connection, answer: (state: TcpDelegatedState | null) => void) => void;

export class InfoQueries {
  private readonly core: HostCore;
  private readonly query: Query;
  private readonly waiting = new Map<Connection, InfoAnswer[]>();

  constructor(core: HostCore, query: Query) {
    this.core = core;
    this.query = query;
  }

  /** Keeps a question until `service` is called for the connection. */
  add(connection: Connection, answer: InfoAnswer): void {
    const answers = this.waiting.get(connection);
    if (answers === undefined) this.waiting.set(connection, [answer]);
    else answers.push(answer);
  }

  /** Answers what is asked of a connection, or asks its target; while it comes back, its questions wait. */
  service(connection: Connection): void {
    if (this.waiting.size === 0) return;
    const answers = this.waiting.get(connection);
    if (answers === undefined) return;
    const { ownership } = connection;
    if (connection.isClosed || ownership === null) {
      this.answer(connection, answers, CLOSED_INFO);
    } else if (ownership.owner === 'host' || ownership.owner === 'offloading') {
      this.answer(connection, answers, infoOf(this.core.tcp, connection, ownership.cb));
    } else if (ownership.owner === 'offloaded' && !connection.queryInFlight && connection.uploadRequest === null) {
      this.query(connection, (state) => {
        // Of a target that does not answer the connection is taken back: then the host knows.
        if (state !== null) {
          const known = this.waiting.get(connection) ?? [];
          this.answer(connection, known, infoOfOffloaded(this.core.tcp, connection, state));
        }
      });
    }
  }

  private answer(connection: Connection, answers: readonly InfoAnswer[], info: TcpInfo): void {
    this.waiting.delete(connection);
    for (const answer of answers) this.core.defer(() => answer(info));
  }
}
