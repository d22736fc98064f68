import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeRuntime, type RuntimePart } from '../../src/node/index.ts';

/** A part that is due at given times, and remembers when it was advanced. */
class Alarm implements RuntimePart {
  onWork: (() => void) | null = null;
  readonly rings: number[] = [];
  readonly due: number[];

  constructor(due: number[]) {
    this.due = due;
  }

  advance(now: number): void {
    while (this.due.length > 0 && this.due[0] <= now) {
      this.due.shift();
      this.rings.push(now);
    }
  }

  nextDeadline(): number {
    return this.due[0] ?? Number.POSITIVE_INFINITY;
  }
}

async function rung(alarm: Alarm, times: number): Promise<void> {
  while (alarm.rings.length < times) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('the runtime', () => {
  it('has a clock that never goes back, in microseconds', async () => {
    const runtime = new NodeRuntime();
    const first = runtime.now();
    expect(first).toBeGreaterThanOrEqual(1);
    expect(Number.isInteger(first)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runtime.now() - first).toBeGreaterThanOrEqual(19_000);
  });

  it.each([
    ['with a reference', true],
    ['without one', false],
  ])('fires deadlines, near and far, never early, %s', async (_name, hasReference) => {
    const runtime = new NodeRuntime();
    if (hasReference) runtime.ref();
    const now = runtime.now();
    const due = [now - 5, now + 100, now + 900, now + 1_500, now + 30_000];
    const alarm = new Alarm([...due]);
    runtime.add(alarm);
    await rung(alarm, due.length);
    expect(alarm.rings.every((at, i) => at >= due[i])).toBe(true);
    runtime.close();
  });

  it('hears of work from outside, also while it waits for a far deadline', async () => {
    const runtime = new NodeRuntime();
    runtime.ref();
    const alarm = new Alarm([runtime.now() + 3_600_000_000]);
    runtime.add(alarm);
    await new Promise((resolve) => setTimeout(resolve, 5));
    alarm.due.unshift(runtime.now());
    alarm.onWork?.();
    await rung(alarm, 1);
    runtime.close();
  });

  it('does not count the time for which the process was held up', async () => {
    const runtime = new NodeRuntime();
    runtime.ref();
    const due = runtime.now() + 10_000;
    const alarm = new Alarm([due, due + 200_000]);
    runtime.add(alarm);
    await new Promise((resolve) => setTimeout(resolve, 1));
    const blockedSince = performance.now();
    while (performance.now() - blockedSince < 500);
    await rung(alarm, 1);
    // Half a second has passed, but not for the parts.
    expect(alarm.rings.length).toBe(1);
    expect(alarm.rings[0] - due).toBeLessThan(200_000);
    await rung(alarm, 2);
    expect(alarm.rings[1]).toBeGreaterThanOrEqual(due + 200_000);
    runtime.close();
  });

  it('counts the time for which it sleeps, also when something woke it in between', async () => {
    const runtime = new NodeRuntime();
    runtime.ref();
    const start = runtime.now();
    const alarm = new Alarm([start + 300_000]);
    runtime.add(alarm);
    const woken = setInterval(() => alarm.onWork?.(), 90);
    const begun = performance.now();
    await rung(alarm, 1);
    clearInterval(woken);
    const slept = (performance.now() - begun) * 1_000;
    // Whatever held this process up may be missing, up to the whole: but not the time that it slept.
    expect(alarm.rings[0] - start).toBeGreaterThanOrEqual(300_000);
    expect(slept).toBeLessThan(10_000_000);
    runtime.close();
  });

  it('lets other work of the process run while a part is always due', async () => {
    const runtime = new NodeRuntime();
    runtime.ref();
    let rounds = 0;
    runtime.add({
      advance: () => {
        rounds++;
      },
      nextDeadline: () => 0,
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    const before = rounds;
    expect(before).toBeGreaterThan(0);
    await new Promise((resolve) => setImmediate(resolve));
    runtime.close();
    const atClose = rounds;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(rounds).toBe(atClose);
  });

  it('stops driving a part that was removed', async () => {
    const runtime = new NodeRuntime();
    const alarm = new Alarm([runtime.now() + 5_000]);
    runtime.add(alarm);
    runtime.remove(alarm);
    expect(alarm.onWork).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(alarm.rings).toEqual([]);
    runtime.close();
  });

  it('reports what a part throws, and goes on to drive the others', async () => {
    const program = `
      const part = (action) => ({ due: 1, advance() { this.due = Infinity; action(); }, nextDeadline() { return this.due; } });
      runtime.ref();
      runtime.add(part(() => { throw new Error('a bug'); }));
      runtime.add(part(() => { console.log('the other'); runtime.unref(); }));
      process.once('uncaughtException', (error) => console.log(error.message));
    `;
    expect(await runProgram(program)).toEqual({ code: 0, output: 'a bug\nthe other\n' });
  });
});

const dist = join(import.meta.dirname, '..', '..', 'dist');

/** Runs a program with a `runtime` in a process of its own: what it printed, and how it ended by itself. */
async function runProgram(program: string): Promise<{ code: number | null; output: string }> {
  const source = `import { NodeRuntime } from ${JSON.stringify(join(dist, 'node', 'index.js'))};
    const runtime = new NodeRuntime();
    ${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (bytes) => {
    output += bytes;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

describe('the process', () => {
  it('ends although deadlines are pending, when nobody holds a reference', async () => {
    const program = `runtime.add({ advance() {}, nextDeadline: () => runtime.now() + 3_600_000_000 });
      runtime.ref();
      setTimeout(() => { console.log('released'); runtime.unref(); }, 50);`;
    expect(await runProgram(program)).toEqual({ code: 0, output: 'released\n' });
  });

  it('ends although work is always due, when nobody holds a reference', async () => {
    const program = 'runtime.add({ advance() {}, nextDeadline: () => 0 });';
    expect(await runProgram(program)).toEqual({ code: 0, output: '' });
  });

  it('goes on while somebody holds a reference, though nothing is due', async () => {
    // The only timer of the program does not keep it alive: the reference does.
    const program = `runtime.add({ advance() {}, nextDeadline: () => Infinity });
      runtime.ref();
      setTimeout(() => { console.log('still here'); runtime.unref(); }, 100).unref();`;
    expect(await runProgram(program)).toEqual({ code: 0, output: 'still here\n' });
  });
});
