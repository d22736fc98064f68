import { describe, expect, it } from 'vitest';
import { isOvertaken } from '../../src/tcp/index.ts';
import { TcpFlag, TcpHeader } from '../../src/wire/tcp-header.ts';
import { Pair } from './pair.ts';

/** A segment of the peer that was held while the connection moved. */
function held(flags: number, acknowledgment: number, payloadLength: number): TcpHeader {
  const header = new TcpHeader();
  header.flags = flags;
  header.acknowledgment = acknowledgment | 0;
  header.payloadLength = payloadLength;
  return header;
}

describe('a segment that waited while its connection moved (FWD-04, FWD-05)', () => {
  for (const una of [100_000, -5, 0x7fff_fffe]) {
    const { cb } = new Pair().a;
    cb.delegated.sndUna = una;

    it(`is taken as it is when its acknowledgment is not behind (SND.UNA ${una})`, () => {
      for (const ahead of [0, 1, 50_000]) {
        const header = held(TcpFlag.ACK, una + ahead, 0);
        expect(isOvertaken(cb, header)).toBe(false);
        expect(header.acknowledgment).toBe((una + ahead) | 0);
      }
    });

    it(`is ignored when it is an acknowledgment only, and older ones than it were overtaken (SND.UNA ${una})`, () => {
      expect(isOvertaken(cb, held(TcpFlag.ACK, una - 1, 0))).toBe(true);
      expect(isOvertaken(cb, held(TcpFlag.ACK, una - 5_000_000, 0))).toBe(true);
    });

    it(`keeps its text and its FIN, whatever it acknowledges (RFC 5961 5) (SND.UNA ${una})`, () => {
      for (const [flags, length] of [
        [TcpFlag.ACK, 10],
        [TcpFlag.ACK | TcpFlag.FIN, 0],
      ] as const) {
        const header = held(flags, una - 200_000, length);
        expect(isOvertaken(cb, header)).toBe(false);
        expect(header.acknowledgment).toBe(una | 0);
      }
    });

    it(`is left to RFC 5961 when no network could have brought it (SND.UNA ${una})`, () => {
      const header = held(TcpFlag.ACK, una - (1 << 25), 10);
      expect(isOvertaken(cb, header)).toBe(false);
      expect(header.acknowledgment).toBe((una - (1 << 25)) | 0);
    });
  }
});
