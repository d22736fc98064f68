/** What a capture says about the packets around a move. */
import { statusName } from '../ndis/index.ts';
import type { OffloadResult, Socket } from '../net/index.ts';
import type { Mover } from './mover.ts';

/** Remarks for one connection: on every packet while it moves, and on the first one of each host afterwards. */
export class MoveRemarks {
  private readonly socket: Socket;
  private moving: string | null = null;
  /** What each host's next packet says; more than one when moves followed each other without a packet between. */
  private readonly after: Record<'client' | 'server', string[]> = { client: [], server: [] };

  constructor(socket: Socket, mover: Mover) {
    this.socket = socket;
    mover.on('begin', (move) => this.begin(move));
    mover.on('end', (move, result) => this.end(move, result));
  }

  /** The remark for a packet that `host` sends now; null for none. */
  annotate(host: 'client' | 'server'): string | null {
    const remarks = this.after[host].splice(0);
    if (this.moving !== null) remarks.push(`${this.moving}: ${this.socket.owner}`);
    return remarks.length === 0 ? null : remarks.join('; ');
  }

  private begin(move: string): void {
    this.moving = move;
  }

  private end(move: string, result: OffloadResult): void {
    this.moving = null;
    const outcome = result.ok
      ? `done in ${result.microseconds} µs, ${this.socket.owner}`
      : `refused, ${statusName(result.status)}`;
    for (const remarks of [this.after.client, this.after.server]) remarks.push(`after ${move}: ${outcome}`);
  }
}
