/** TAP and macvtap links themselves: how they open, sleep, fail and go. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type DeviceLink, openMacvtap, openTap, SystemCallError } from '../../src/linux/index.ts';
import { Host, NodeRuntime } from '../../src/node/index.ts';
import {
  HOST_ADDRESS,
  hasKernel,
  interfaceExists,
  KERNEL_ADDRESS,
  moveInto,
  Namespace,
  resultOf,
  uniqueName,
} from '../support/namespace.ts';

const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tap(name: string, options?: { mtu?: number; offload?: boolean }): DeviceLink {
  const link = openTap(name, options);
  cleanups.push(() => link.close());
  return link;
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** What `open` throws; a test fails when it does not. */
function failureOf(open: () => unknown): SystemCallError {
  try {
    open();
  } catch (error) {
    return error as SystemCallError;
  }
  throw new Error('it was opened');
}

/** Goes on until `done`, or fails after a while. */
async function until(done: () => boolean): Promise<void> {
  for (let i = 0; !done(); i++) {
    if (i > 1000) throw new Error('it never happened');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe.runIf(hasKernel())('a TAP link', () => {
  it('makes an interface that is up, and removes it', async () => {
    const name = uniqueName('ct');
    const link = openTap(name, { mtu: 1400 });
    expect(link.name).toBe(name);
    expect(link.mtu).toBe(1400);
    expect(link.segmentationOffload).toBe(true);
    expect(ip('link', 'show', name)).toMatch(/UP.* mtu 1400/);
    await link.close();
    expect(interfaceExists(name)).toBe(false);
    await link.close();
    link.send(new Uint8Array(60));
    expect(link.counters.framesNotSent).toBe(1);
  });

  it('lets the kernel choose a number', () => {
    const link = tap('chimney%d', { offload: false });
    expect(link.name).toMatch(/^chimney\d+$/);
    expect(link.segmentationOffload).toBe(false);
    expect(interfaceExists(link.name)).toBe(true);
  });

  it('takes a persistent interface, and leaves it', async () => {
    const name = uniqueName('ct');
    ip('tuntap', 'add', 'dev', name, 'mode', 'tap', 'vnet_hdr');
    cleanups.push(() => void ip('link', 'del', name));
    ip('link', 'set', name, 'mtu', '1280');
    const link = openTap(name);
    expect(link.mtu).toBe(1280);
    await link.close();
    expect(interfaceExists(name)).toBe(true);
  });

  it('says what is wrong', () => {
    const name = uniqueName('ct');
    tap(name);
    const busy = failureOf(() => openTap(name));
    expect(busy).toBeInstanceOf(SystemCallError);
    expect(busy.code).toBe('EBUSY');
    expect(busy.syscall).toBe('ioctl TUNSETIFF');
    expect(busy.concerning).toBe(name);
    expect(failureOf(() => openTap('lo')).code).toBe('EINVAL');
    const other = uniqueName('ct');
    expect(failureOf(() => openTap(other, { mtu: 70_000 })).syscall).toBe('ioctl SIOCSIFMTU');
    // What failed half way has left nothing behind.
    expect(interfaceExists(other)).toBe(false);
    for (const wrong of ['', 'a/b', 'has space', 'sixteen-letters!', '..', 'ä'.repeat(8)]) {
      expect(() => openTap(wrong), wrong).toThrow(RangeError);
      expect(() => openMacvtap(wrong), wrong).toThrow(RangeError);
    }
    expect(failureOf(() => openMacvtap(uniqueName('cm'))).code).toBe('ENODEV');
  });

  it('sleeps while nothing arrives, and is woken by frames', async () => {
    const link = tap(uniqueName('ct'), { offload: false });
    const runtime = new NodeRuntime();
    const frames: Uint8Array[] = [];
    link.onReceive = (frame) => frames.push(frame);
    runtime.add(link);
    runtime.ref();
    cleanups.push(() => runtime.close());
    const namespace = new Namespace();
    cleanups.push(() => namespace.close());
    moveInto(namespace, link.name);
    for (let round = 1; round <= 3; round++) {
      frames.length = 0;
      const { sleeps } = link.counters;
      // The kernel looks for a neighbor that nobody is: its request is broadcast.
      await namespace.run('ping', ['-c', '1', '-W', '1', `10.77.0.${100 + round}`]);
      await until(() => frames.some((frame) => frame[0] === 0xff && frame[12] === 8 && frame[13] === 6));
      await until(() => link.nextDeadline() === Number.POSITIVE_INFINITY);
      expect(link.counters.sleeps).toBeGreaterThan(sleeps);
    }
    const { framesReceived } = link.counters;
    namespace.ip('link', 'set', link.name, 'down');
    link.send(new Uint8Array(60));
    expect(link.counters.framesNotSent).toBe(1);
    expect(framesReceived).toBeGreaterThanOrEqual(3);
  });

  it('does not keep a process alive, or waiting', async () => {
    const name = uniqueName('ct');
    const program = `
      const { openTap } = await import(${JSON.stringify(join(import.meta.dirname, '..', '..', 'dist', 'linux', 'index.js'))});
      for (let i = 0; i < 12; i++) openTap('${name}' + i);
      process.on('warning', (warning) => console.log(warning.message));
      setTimeout(() => console.log('done'), 50);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, stdout, stderr } = await resultOf(child);
    expect([code, stdout.toString(), stderr]).toEqual([0, 'done\n', '']);
    expect(interfaceExists(`${name}0`)).toBe(false);
  });

  it('reports an interface that somebody deletes', async () => {
    const link = tap(uniqueName('ct'));
    const runtime = new NodeRuntime();
    runtime.add(link);
    runtime.ref();
    cleanups.push(() => runtime.close());
    const failures: Error[] = [];
    link.onFailure = (error) => failures.push(error);
    ip('link', 'del', link.name);
    await until(() => failures.length > 0);
    expect((failures[0] as SystemCallError).code).toBe('EBADFD');
    expect(failures).toHaveLength(1);
  });
});

describe.runIf(hasKernel())('a macvtap link', () => {
  for (const offload of [true, false]) {
    it(`has a MAC address of its own on the network of another interface (offload: ${offload})`, async () => {
      const namespace = new Namespace();
      cleanups.push(() => namespace.close());
      const [near, far, name] = [uniqueName('cv'), uniqueName('cw'), uniqueName('cm')];
      ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
      cleanups.push(() => void spawnSync('ip', ['link', 'del', near]));
      moveInto(namespace, far);
      ip('link', 'set', near, 'up');
      ip('link', 'add', 'link', near, 'name', name, 'type', 'macvtap', 'mode', 'bridge');
      const { link, macAddress } = openMacvtap(name, { offload });
      cleanups.push(() => link.close());
      const runtime = new NodeRuntime();
      runtime.add(link);
      runtime.ref();
      const mac = [...macAddress].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
      expect(ip('link', 'show', name)).toContain(mac);
      const host = new Host({
        name,
        runtime,
        link,
        address: HOST_ADDRESS,
        prefixLength: 24,
        macAddress: mac,
        verify: true,
      });
      cleanups.push(() => {
        host.close();
        runtime.close();
      });
      const { stdout } = await namespace.run('ping', ['-c', '2', '-i', '0.2', HOST_ADDRESS]);
      expect(stdout.toString(), KERNEL_ADDRESS).toContain('2 received');
    });
  }
});
