/** Runs each script once more per event, with every connection offloaded and taken back right before that event. */
import { describe, expect, it } from 'vitest';
import { runScript } from '../../src/packetdrill/index.ts';
import { ownScripts } from './scripts.ts';

/** Scripts about a window that is another one while the target runs the connection, with the rule that says so. */
const CONTRACT_CHANGES_WINDOW: Readonly<Record<string, string>> = {
  'receiving/text-up-to-the-edge.pkt': 'unread bytes that the host takes from the target free the window (RECV-21)',
};

describe('packetdrill scripts with moves: the peer sees no difference', () => {
  it.each(ownScripts().filter(({ name }) => !(name in CONTRACT_CHANGES_WINDOW)))('$name', ({ text, personality }) => {
    const { problem, replays, events, replayProblems } = runScript(text, { personality, moveAtEveryEvent: true });
    expect(problem).toBeNull();
    expect(replays).toBe(events);
    expect(replayProblems).toEqual([]);
  });
});
