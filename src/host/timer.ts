/** Timers of the host stack other than those of a connection: they share the wheel of the TCP engine. */
import type { TcpContext } from '../tcp/context.ts';
import { WheelEntry } from '../tcp/timing-wheel.ts';

/** One timer on the stack's wheel. It runs at most once per `arm`. */
export class HostTimer extends WheelEntry {
  private readonly context: TcpContext;
  private readonly action: () => void;
  private running = false;

  /** @param action called when the timer expires, from within `HostStack.advance`. */
  constructor(context: TcpContext, action: () => void) {
    super();
    this.context = context;
    this.action = action;
  }

  /** Whether the timer runs. */
  get armed(): boolean {
    return this.running;
  }

  /** Starts the timer, or starts it anew. @param delayTicks ticks from now, at least one. */
  arm(delayTicks: number): void {
    this.running = true;
    this.context.wheel.arm(this, this.context.ticks + Math.max(1, Math.ceil(delayTicks)));
  }

  /** Starts the timer unless it runs already. */
  armIfIdle(delayTicks: number): void {
    if (!this.running) this.arm(delayTicks);
  }

  cancel(): void {
    if (!this.running) return;
    this.running = false;
    this.context.wheel.cancel(this);
  }

  /** Called by the stack when the wheel says so. */
  expire(): void {
    this.running = false;
    this.action();
  }
}
