/** Runs each script once more per event, with every connection offloaded and taken back right before that event. */
import { describe, expect, it } from 'vitest';
import { runScript } from '../../src/packetdrill/index.ts';
import { ownScripts } from './scripts.ts';

/** Scripts about a time that the contract does not let a hand-over carry, with the rule that says so. */
const CONTRACT_CHANGES_TIME: Readonly<Record<string, string>> = {
};

describe('packetdrill scripts with moves: the peer sees no difference', () => {
  it.each(ownScripts().filter(({ name }) => !(name in CONTRACT_CHANGES_TIME)))('$name', ({ text }) => {
    const { problem, replays, events, replayProblems } = runScript(text, { moveAtEveryEvent: true });
    expect(problem).toBeNull();
    expect(replays).toBe(events);
    expect(replayProblems).toEqual([]);
  });
});
