import { describe, expect, it } from 'vitest';
import { Script } from './scripted.ts';

const MSS = 1460;

function sender(segments: number, ssThresh = 0x7fffffff): Script {
  const script = Script.established({ parameters: { congestionControl: 'newreno', initialWindowSegments: 10 } });
  script.cb.delegated.ssThresh = ssThresh;
  script.send(segments * MSS);
  script.take();
  return script;
}

/** cWnd in segments after each of so many segments was acknowledged. */
function acknowledge(script: Script, segments: number): number {
  for (let i = 1; i <= segments; i++) script.arrive({ ack: i * MSS });
  return script.cb.delegated.cWnd / MSS;
}

describe('cWnd grows only as far as it is used', () => {
  it('one that is used up grows, though nothing waits (RFC 7661 4.3)', () => {
    expect(acknowledge(sender(10), 10)).toBe(20);
  });

  it('one that keeps something back grows', () => {
    const script = sender(30);
    script.arrive({ ack: 5 * MSS });
    expect(script.cb.delegated.cWnd).toBe(12 * MSS); // L of RFC 3465 bounds one ACK
  });

  it('less than half of it leaves it as it is (RFC 7661 4.4)', () => {
    expect(acknowledge(sender(5), 5)).toBe(10);
  });

  it('more than half of it lets slow start go on to twice what is used', () => {
    expect(acknowledge(sender(7), 7)).toBe(14);
  });

  it('in congestion avoidance all of it must be used (RFC 9438 5.8)', () => {
    expect(acknowledge(sender(9, 5 * MSS), 9)).toBe(10);
    expect(acknowledge(sender(10, 5 * MSS), 10)).toBe(11);
  });

  it('what was used counts for one window of data', () => {
    const script = sender(10);
    expect(acknowledge(script, 10)).toBe(20);
    for (let i = 1; i <= 20; i++) {
      script.send(MSS);
      script.run(10).arrive({ ack: (10 + i) * MSS });
    }
    expect(script.cb.delegated.cWnd).toBe(20 * MSS);
  });
});
