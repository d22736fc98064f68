/** The user timeout in every state (RFC 9293 section 3.10.8, RFC 5482; Linux, tcp(7) TCP_USER_TIMEOUT). */
import { describe, expect, it } from 'vitest';
import { Disposition, TcpCachedFlag } from '../../src/tcp/index.ts';
import { Script, type ScriptOptions } from './scripted.ts';

const LIMIT = 5000;

function options(more: ScriptOptions = {}): ScriptOptions {
  return {
    ...more,
    parameters: { userTimeoutEverywhere: true, ...more.parameters },
    cached: { maxRt: LIMIT, ...more.cached },
  };
}

/** The millisecond at which the connection is given up; -1 when it is not within the time. */
function givenUpAt(script: Script, milliseconds: number): number {
  script.takeSeen();
  for (const end = script.time + milliseconds; script.time < end; ) {
    script.run(1);
    if (script.takeSeen() & Disposition.TIMED_OUT) return script.time;
  }
  return -1;
}

describe('a user timeout of five seconds', () => {
  it.each([true, false])('ends an active opening, if it reaches so far: %s', (userTimeoutEverywhere) => {
    const script = Script.synSent(options({ parameters: { userTimeoutEverywhere } }));
    expect(givenUpAt(script, 10_000)).toBe(userTimeoutEverywhere ? LIMIT : -1);
  });

  it('ends a passive opening', () => {
    expect(givenUpAt(Script.synReceived(options()), 10_000)).toBe(LIMIT);
  });

  it('ends what cannot be retransmitted with success', () => {
    const script = Script.established(options());
    script.send(100);
    expect(givenUpAt(script, 10_000)).toBe(LIMIT);
  });

  it('ends what a closed window holds back, though the peer answers every probe', () => {
    const script = Script.established(options({ window: 0 }));
    script.send(100);
    let at = -1;
    for (let i = 0; i < 10_000 && at < 0; i++) {
      script.run(1);
      if (script.take().length > 0) script.arrive({ window: 0 });
      if (script.takeSeen() & Disposition.TIMED_OUT) at = script.time;
    }
    expect(at).toBeGreaterThanOrEqual(LIMIT);
    expect(at).toBeLessThan(LIMIT + 50);
  });

  it('begins anew when the window has opened meanwhile', () => {
    const script = Script.established(options({ window: 0 }));
    script.send(100);
    expect(givenUpAt(script, 4000)).toBe(-1);
    script.arrive({ window: 1000 });
    script.arrive({ ack: 100, window: 0 });
    script.send(100);
    expect(givenUpAt(script, 4000)).toBe(-1);
    expect(givenUpAt(script, 1100)).toBeGreaterThan(0);
  });

  it('without it a closed window is waited for as long as the peer answers (MUST-37)', () => {
    const script = Script.established({ window: 0, parameters: { userTimeoutEverywhere: true } });
    script.send(100);
    for (let i = 0; i < 100; i++) {
      script.run(10_000);
      script.arrive({ window: 0 });
    }
    expect(script.takeSeen() & Disposition.TIMED_OUT).toBe(0);
  });

  it('decides on unanswered keepalive probes in place of their number', () => {
    const keepAlive = { flags: TcpCachedFlag.KEEP_ALIVE_ENABLED, kaTimeout: 1000, kaInterval: 300, kaProbeCount: 2 };
    // The number: 1000, 1300, and 1600 is the end.
    expect(givenUpAt(Script.established({ cached: keepAlive }), 10_000)).toBe(1600);
    // The time: the first look after it.
    expect(givenUpAt(Script.established(options({ cached: keepAlive })), 10_000)).toBe(5200);
    // Longer than the first probe takes: then one probe must have gone unanswered.
    const slow = options({ cached: { ...keepAlive, kaTimeout: 8000 } });
    expect(givenUpAt(Script.established(slow), 20_000)).toBe(8300);
  });

  it('an answer to a probe starts the time again', () => {
    const keepAlive = { flags: TcpCachedFlag.KEEP_ALIVE_ENABLED, kaTimeout: 1000, kaInterval: 300, kaProbeCount: 2 };
    const script = Script.established(options({ cached: keepAlive }));
    expect(givenUpAt(script, 4900)).toBe(-1);
    script.arrive({});
    expect(givenUpAt(script, 4900)).toBe(-1);
    expect(givenUpAt(script, 400)).toBeGreaterThan(0);
  });
});
