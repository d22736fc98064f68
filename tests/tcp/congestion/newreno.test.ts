import { describe, expect, test } from 'vitest';
import { createCongestionControl } from '../../../src/tcp/congestion/index.ts';
import { TcpDelegatedState } from '../../../src/tcp/variables.ts';

const SMSS = 1000;

function variables(cWnd: number, ssThresh: number): TcpDelegatedState {
  const v = new TcpDelegatedState();
  v.cWnd = cWnd;
  v.ssThresh = ssThresh;
  return v;
}

describe('NewReno (RFC 9293 MUST-19)', () => {
  test('RFC 5681 equation 2, RFC 3465 2.2: slow start counts bytes, at most two segments for an ACK', () => {
    const control = createCongestionControl('newreno');
    expect(control.name).toBe('newreno');
    const v = variables(10_000, 1_000_000);
    control.onAcknowledged(v, 500, SMSS, 0, 0);
    expect(v.cWnd).toBe(10_500);
    control.onAcknowledged(v, 2000, SMSS, 0, 0);
    expect(v.cWnd).toBe(12_500);
    control.onAcknowledged(v, 30_000, SMSS, 0, 0);
    expect(v.cWnd).toBe(14_500);
  });

  test('RFC 5681 3.1: slow start ends at ssThresh', () => {
    const control = createCongestionControl('newreno');
    const v = variables(9_500, 10_000);
    control.onAcknowledged(v, 2000, SMSS, 0, 0);
    expect(v.cWnd).toBe(10_000);
  });

  test('RFC 3465 2.1: congestion avoidance adds one SMSS for cWnd bytes acknowledged (RFC5681-3.1-1, RFC5681-3.1-6)', () => {
    const control = createCongestionControl('newreno');
    const v = variables(10_000, 10_000);
    for (let index = 0; index < 9; index += 1) control.onAcknowledged(v, 1000, SMSS, 0, 0);
    expect(v.cWnd).toBe(10_000);
    control.onAcknowledged(v, 1000, SMSS, 0, 0);
    expect(v.cWnd).toBe(11_000);
    for (let index = 0; index < 11; index += 1) control.onAcknowledged(v, 1000, SMSS, 0, 0);
    expect(v.cWnd).toBe(12_000);
  });

  test('RFC 5681 equation 4: a loss halves what is in flight, down to two segments (RFC5681-3.1-5, RFC5681-3.1-7)', () => {
    const control = createCongestionControl('newreno');
    const v = variables(50_000, 1_000_000);
    control.onLoss(v, 40_001, SMSS, 0);
    expect(v.ssThresh).toBe(20_000);
    expect(v.cWnd).toBe(50_000);
    control.onLoss(v, 1500, SMSS, 0);
    expect(v.ssThresh).toBe(2000);
    control.onTimeout(v, 30_000, SMSS, 0);
    expect(v.ssThresh).toBe(15_000);
  });

  test('RFC 3465 2.3: after a timeout one ACK adds one segment, until what was outstanding is acknowledged', () => {
    const control = createCongestionControl('newreno');
    const v = variables(20_000, 1_000_000);
    v.sndUna = -5000;
    v.sndMax = 15_000;
    control.onTimeout(v, 20_000, SMSS, 0);
    v.cWnd = SMSS;
    v.sndUna = 5000;
    control.onAcknowledged(v, 10_000, SMSS, 0, 0);
    expect(v.cWnd).toBe(2000);
    v.sndUna = 15_000;
    control.onAcknowledged(v, 10_000, SMSS, 0, 0);
    expect(v.cWnd).toBe(3000);
    v.sndUna = 17_000;
    control.onAcknowledged(v, 2000, SMSS, 0, 0);
    expect(v.cWnd).toBe(5000);
  });

  test('its state survives a hand-over', () => {
    const control = createCongestionControl('newreno');
    const v = variables(10_000, 10_000);
    control.onAcknowledged(v, 9_000, SMSS, 0, 0);
    const other = createCongestionControl('newreno');
    other.restore(control.save(0), 5_000_000);
    other.onAcknowledged(v, 1000, SMSS, 0, 0);
    expect(v.cWnd).toBe(11_000);
  });

  test('cWnd stays within what TCP can use', () => {
    const control = createCongestionControl('newreno');
    const v = variables(2 ** 30, 0x7fffffff);
    control.onAcknowledged(v, 2 ** 30, 65_000, 0, 0);
    expect(v.cWnd).toBe(2 ** 30);
  });
});
