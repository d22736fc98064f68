/** Moves one connection down the chimney and up again, as often as asked, while its bytes flow. */
import { EventEmitter } from 'node:events';
import { statusName } from '../ndis/index.ts';
import type { OffloadResult, Socket } from '../net/index.ts';

/** What became of the moves. */
export interface MoveCounts {
  down: number;
  up: number;
  refused: number;
}

interface MoverEvents {
  /** A move begins; `move` is its name for people. */
  begin: [move: string];
  /** It has ended. */
  end: [move: string, result: OffloadResult];
}

/** Events: `begin` and `end` of each move. */
export class Mover extends EventEmitter<MoverEvents> {
  readonly counts: MoveCounts = { down: 0, up: 0, refused: 0 };
  /** How long each move took, microseconds. */
  readonly durations: number[] = [];
  /** Why the first refused move was refused. */
  refusal: string | null = null;
  private readonly socket: Socket;
  /** Moves asked for: that many down, and that many up. */
  private readonly wanted: number;
  private started = 0;
  private moving: Promise<void> | null = null;

  constructor(socket: Socket, wanted: number) {
    super();
    this.socket = socket;
    this.wanted = wanted;
  }

  /** Moves that have begun, both ways together. */
  get begun(): number {
    return this.started;
  }

  /** All moves have begun. */
  get exhausted(): boolean {
    return this.started >= 2 * this.wanted;
  }

  /** Begins the next move; the one before it is awaited first. Returns before the move has ended. */
  async next(): Promise<void> {
    await this.moving;
    if (this.exhausted) return;
    const isDown = this.started % 2 === 0;
    this.started++;
    this.moving = this.move(isDown);
  }

  /** Resolves when no move is under way. */
  async settled(): Promise<void> {
    await this.moving;
  }

  private async move(isDown: boolean): Promise<void> {
    const name = `move ${Math.ceil(this.started / 2)} ${isDown ? 'down' : 'up'}`;
    this.emit('begin', name);
    const result = isDown ? await this.socket.offload() : await this.socket.upload();
    if (result.ok) {
      this.durations.push(result.microseconds);
      if (isDown) this.counts.down++;
      else this.counts.up++;
    } else {
      this.counts.refused++;
      const status = statusName(result.status);
      this.refusal ??= result.reason.includes(status) ? result.reason : `${result.reason}: ${status}`;
    }
    this.emit('end', name, result);
  }
}
