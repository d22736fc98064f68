/** Scripts with mistakes in them: a problem is named, nothing is thrown, nothing hangs. */
import { expect, it } from 'vitest';
import { Random } from '../../src/link/index.ts';
import { runScript } from '../../src/packetdrill/index.ts';
import { ownScripts } from './scripts.ts';

const ROUNDS = 800;

/** Numbers at the edges of what the fields hold, and beyond. */
const NUMBERS = ['0', '-1', '3', '40000', '65535', '65536', '4294967295', '123456789012', '1e9'];

function mutate(text: string, random: Random): string {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  const line = lines[at];
  switch (random.below(4)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, lines[random.below(lines.length)]);
      break;
    case 2: {
      const cut = random.below(line.length + 1);
      lines[at] = line.slice(0, cut) + line.slice(cut + 1);
      break;
    }
    default: {
      const numbers = [...line.matchAll(/\d+/g)];
      if (numbers.length === 0) break;
      const { index, 0: digits } = numbers[random.below(numbers.length)];
      lines[at] = line.slice(0, index) + NUMBERS[random.below(NUMBERS.length)] + line.slice(index + digits.length);
    }
  }
  return lines.join('\n');
}

it(`names what is wrong with ${ROUNDS} mutated scripts and throws nothing`, () => {
  const random = new Random(20_261_122);
  const scripts = ownScripts();
  const kinds = { passed: 0, syntax: 0, failure: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const { text } = scripts[random.below(scripts.length)];
    const { problem } = runScript(mutate(mutate(text, random), random));
    kinds[problem?.kind ?? 'passed']++;
    if (problem !== null) expect(problem.message).not.toBe('');
  }
  for (const count of Object.values(kinds)) expect(count).toBeGreaterThan(20);
});
