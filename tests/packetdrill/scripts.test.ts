/** Runs our own packetdrill scripts: each says in its header what it proves. */
import { describe, expect, it } from 'vitest';
import { runScript } from '../../src/packetdrill/index.ts';
import { ownScripts } from './scripts.ts';

const scripts = ownScripts();

describe('packetdrill scripts', () => {
  it('are many, and each says what it proves', () => {
    expect(scripts.length).toBeGreaterThanOrEqual(150);
    for (const { name, text } of scripts) expect(text, name).toMatch(/^\/\/ Proves: \S/);
  });

  it.each(scripts)('$name', ({ text, personality }) => {
    const { problem, events } = runScript(text, { personality });
    expect(problem).toBeNull();
    expect(events).toBeGreaterThan(0);
  });
});
