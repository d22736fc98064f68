/** Black hole detection: full-sized segments vanish on the way, and nobody says so (RFC 4821 section 7.7, RFC 2923). */
import { IPV6_MINIMUM_MTU } from '../wire/index.ts';
import type { TcpContext } from './context.ts';
import type { ControlBlock } from './control-block.ts';

/** Retransmissions of one full-sized segment after which its size comes under suspicion. */
const RETRANSMISSIONS = 2;

/** What is tried then, bytes. Every IPv4 host takes 576 (RFC 1122 section 3.3.2), every IPv6 link 1280. */
const IPV4_MTUS: readonly number[] = [1280, 576];
const IPV6_MTUS: readonly number[] = [IPV6_MINIMUM_MTU];

/** `ControlBlock.headerOverhead` of IPv4. */
const IPV4_OVERHEAD = 40;

/**
 * To be asked after the retransmission timer has sent something again: the smaller path MTU that is worth a try, bytes; 0
 * when the size of the segments is not to blame, or cannot become smaller.
 */
export function blackHoleMtu(tcp: TcpContext, cb: ControlBlock): number {
  if (!tcp.parameters.blackHoleDetection) return 0;
  const { sndUna, sndMax, retransmit } = cb.delegated;
  if (retransmit.count === 0 || retransmit.count % RETRANSMISSIONS !== 0) return 0;
  // The segment at SND.UNA is full-sized when so much is outstanding; a lone small one says nothing about sizes.
  if (((sndMax - sndUna) | 0) < cb.sendMss) return 0;
  const size = Math.min(cb.pathMtu, cb.sendMss + cb.headerOverhead);
  const candidates = cb.headerOverhead === IPV4_OVERHEAD ? IPV4_MTUS : IPV6_MTUS;
  return candidates.find((mtu) => mtu < size) ?? 0;
}
