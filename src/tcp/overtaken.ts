/** Segments that waited while their connection moved, and were overtaken by newer ones. */
import { TcpFlag, type TcpHeader } from '../wire/tcp-header.ts';
import type { ControlBlock } from './control-block.ts';

/** How far SND.UNA may have come while a segment waited: more than this no network carries in that time. */
const OVERTAKEN_BYTES = 1 << 24;

/**
 * To be asked about a segment that was held for a connection (FWD-04, FWD-05), before it is given to `segmentArrives`.
 * Newer segments may have reached the new owner directly. An acknowledgment that they left behind says nothing any more:
 * alone it is to be ignored, or it would count as a duplicate; before text it must not condemn the text as too old to be
 * true (RFC 5961 section 5), and is brought up to date in `header`. Returns true for a segment that is to be ignored.
 */
export function isOvertaken(cb: ControlBlock, header: TcpHeader): boolean {
  const { sndUna } = cb.delegated;
  const behind = (sndUna - header.acknowledgment) | 0;
  if ((header.flags & TcpFlag.ACK) === 0 || behind <= 0 || behind > OVERTAKEN_BYTES) return false;
  if (header.payloadLength === 0 && (header.flags & (TcpFlag.FIN | TcpFlag.SYN | TcpFlag.RST)) === 0) return true;
  header.acknowledgment = sndUna;
  return false;
}
