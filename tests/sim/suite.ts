/**
 * The tests of a quarter of the thousand seeds: every run is byte-exact with the verifier silent (a run that is not
 * throws), and all of them together did what they claim.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { runSeeds, type Totals } from './seeds.ts';

/** States of RFC 9293 in which a connection may be offloaded (INIT-02). */
const OFFLOADABLE = ['ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2', 'CLOSE-WAIT', 'CLOSING', 'LAST-ACK'];

/** A run on a slow machine; nothing is decided by time but a hang. */
const SUITE_TIMEOUT = 300_000;

export function simulateSeeds(first: number, last: number): void {
  describe(`simulations of the seeds ${first} to ${last}`, () => {
    let totals: Totals;
    beforeAll(() => {
      totals = runSeeds(first, last);
    }, SUITE_TIMEOUT);

    it('come to their end with every byte in its place', () => {
      expect(totals.runs).toBe(last - first + 1);
      expect(totals.bytes).toBeGreaterThan(totals.runs * 20_000);
      expect(totals.bothWays).toBeGreaterThan(totals.runs / 2);
    });

    it('move connections down and up, and are refused', () => {
      expect(totals.movesDown).toBeGreaterThan(totals.runs * 5);
      expect(totals.movesUp).toBeGreaterThan(totals.runs * 5);
      expect(totals.movesRefused).toBeGreaterThan(totals.runs);
    });

    for (const state of OFFLOADABLE) {
      it(`move connections in ${state} both ways (INIT-02, STATE-23)`, () => {
        expect(totals.count(`down in ${state}`)).toBeGreaterThan(0);
        expect(totals.count(`up in ${state}`)).toBeGreaterThan(0);
      });
    }

    it('take TIME-WAIT back from the target (TERM-29)', () => {
      expect(totals.count('up in TIME-WAIT')).toBeGreaterThan(0);
    });

    it('ask for moves at any moment, also while another one is under way', () => {
      for (const owner of ['host', 'offloading', 'offloaded', 'uploading']) {
        expect(totals.count(`asked down while ${owner}`), owner).toBeGreaterThan(0);
        expect(totals.count(`asked up while ${owner}`), owner).toBeGreaterThan(0);
      }
    });

    it('hold segments and forward them (FWD-02, FWD-04, FWD-05)', () => {
      expect(totals.count('segments held')).toBeGreaterThan(0);
      expect(totals.count('segments forwarded')).toBeGreaterThan(0);
    });

    it('speak both families, through routers and middleboxes (NSP-02, NSP-03)', () => {
      for (const name of ['moves over IPv4', 'moves over IPv6']) {
        expect(totals.count(name), name).toBeGreaterThan(totals.runs);
      }
      for (const name of ['datagrams with IP options', 'datagrams in fragments', 'datagrams reassembled']) {
        expect(totals.count(name), name).toBeGreaterThan(0);
      }
      expect(totals.count('path MTU reductions')).toBeGreaterThan(0);
    });

    it('lose, reorder, double and damage frames, and recover', () => {
      for (const fate of ['lost', 'reordered', 'duplicated', 'corrupted', 'queue-full']) {
        expect(totals.count(`frames ${fate}`), fate).toBeGreaterThan(0);
      }
      expect(totals.retransmissions).toBeGreaterThan(totals.runs);
      for (const name of ['timeouts', 'fast retransmits', 'window probes']) {
        expect(totals.count(name), name).toBeGreaterThan(0);
      }
    });

    it('see targets of every kind, and what they may do', () => {
      for (const kind of ['chain', 'complete', 'split']) {
        expect(totals.count(`upload with sends handed back as ${kind}`), kind).toBeGreaterThan(0);
      }
      for (const name of ['moves without the extension', 'pauses', 'upload requests', 'hardware faults']) {
        expect(totals.count(name), name).toBeGreaterThan(0);
      }
    });

    it('end connections in good order, by aborts and by resets', () => {
      for (const reason of ['null', 'ECONNABORTED', 'ECONNRESET']) {
        expect(totals.count(`closed: ${reason}`), reason).toBeGreaterThan(0);
      }
    });
  });
}
