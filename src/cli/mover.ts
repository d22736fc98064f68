/** Moves one connection down the chimney and up again, as often as asked, while its bytes flow. */
import { statusName } from '../ndis/index.ts';
import type { Socket } from '../net/index.ts';

/** What became of the moves. */
export interface MoveCounts {
  down: number;
  up: number;
  refused: number;
}

export class Mover {
  readonly counts: MoveCounts = { down: 0, up: 0, refused: 0 };
  /** How long each move took, microseconds. */
  readonly durations: number[] = [];
  /** Why the last refused move was refused. */
  refusal: string | null = null;
  /** Called when a move begins and when it has ended. */
  onMove: ((phase: 'begin' | 'end', text: string) => void) | null = null;
  private readonly socket: Socket;
  /** Moves asked for: that many down, and that many up. */
  private readonly wanted: number;
  private started = 0;
  private moving: Promise<void> | null = null;

  constructor(socket: Socket, wanted: number) {
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
    const down = this.started % 2 === 0;
    this.started++;
    this.moving = this.move(down);
  }

  /** Resolves when no move is under way. */
  async settled(): Promise<void> {
    await this.moving;
  }

  private async move(down: boolean): Promise<void> {
    const text = `move ${Math.ceil(this.started / 2)} ${down ? 'down' : 'up'}`;
    this.onMove?.('begin', text);
    const result = down ? await this.socket.offload() : await this.socket.upload();
    this.onMove?.('end', text);
    if (result.ok) {
      this.durations.push(result.microseconds);
      if (down) this.counts.down++;
      else this.counts.up++;
      return;
    }
    this.counts.refused++;
    this.refusal = `${statusName(result.status)}: ${result.reason}`;
  }
}
