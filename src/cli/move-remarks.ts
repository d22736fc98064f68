/** What a capture says about the packets around a move. */
import { statusName } from '../ndis/index.ts';
import type { OffloadResult, Socket } from '../net/index.ts';
import type { Mover } from './mover.ts';

/** Remarks for one connection: on every packet while it moves, and on the first one of each host afterwards. */
export class MoveRemarks {
  private readonly socket: Socket;
  private moving: string | null = null;
  private readonly after: Record<'client' | 'server', string | null> = { client: null, server: null };

  constructor(socket: Socket, mover: Mover) {
    this.socket = socket;
    mover.on('begin', (move) => this.begin(move));
    mover.on('end', (move, result) => this.end(move, result));
  }

  /** The remark for a packet that `host` sends now; null for none. */
  annotate(host: 'client' | 'server'): string | null {
    if (this.moving !== null) return `${this.moving}: ${this.socket.owner}`;
    const remark = this.after[host];
    this.after[host] = null;
    return remark;
  }

  private begin(move: string): void {
    this.moving = move;
  }

  private end(move: string, result: OffloadResult): void {
    this.moving = null;
    const outcome = result.ok
      ? `done in ${result.microseconds} µs, ${this.socket.owner}`
      : `refused, ${statusName(result.status)}`;
    this.after.client = `after ${move}: ${outcome}`;
    this.after.server = this.after.client;
  }
}
