/** All targets. */
import type { FuzzTarget } from '../engine/target.ts';
import { options, packetdrill, pcapng } from './files.ts';
import { handOver } from './hand-over.ts';
import { host, nic } from './hosts.ts';
import { ipv4, ipv6 } from './ip.ts';
import { links } from './links.ts';
import { segments } from './segments.ts';
import { addresses, ethernet, icmpv4, icmpv6, tcpHeader } from './wire.ts';

export const targets: readonly FuzzTarget[] = [
  ethernet,
  ipv4,
  ipv6,
  icmpv4,
  icmpv6,
  tcpHeader,
  addresses,
  segments,
  host,
  nic,
  handOver,
  links,
  pcapng,
  packetdrill,
  options,
];
