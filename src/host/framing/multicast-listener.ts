/**
 * Tells routers and snooping switches which groups we listen to: the one of solicitations for each of our addresses (RFC
 * 4861 section 7.2.1, RFC 4862 section 5.4.2), by Multicast Listener Discovery version 2 (RFC 3810 section 6). Queries of
 * version 1 are answered in the same way.
 */
import {
  ALL_MLDV2_ROUTERS,
  DropReason,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  IPV6_HEADER_LENGTH,
  type IpAddress,
  type IpPacket,
  Ipv6Extension,
  isLinkLocal,
  MldQuery,
  MldRecordType,
  mldReportLength,
  multicastMacAddress,
  parseMldQuery,
  ROUTER_ALERT_HEADER,
  setIpv6Addresses,
  solicitedNode,
  UNSPECIFIED_IPV6,
  writeEthernet,
  writeIpv6,
  writeMldReport,
} from '../../wire/index.ts';
import type { HostCore } from '../core.ts';
import { HostTimer } from '../timer.ts';

/** Unsolicited Report Interval and Robustness Variable (RFC 3810 section 9). */
const UNSOLICITED_INTERVAL_MILLISECONDS = 1000;
const ROBUSTNESS = 2;

const REPORT = ETHERNET_HEADER_LENGTH + IPV6_HEADER_LENGTH + ROUTER_ALERT_HEADER.length;

export class MulticastListener {
  private readonly core: HostCore;
  private readonly query = new MldQuery();
  /** Unsolicited reports that are still to be sent. */
  private repetitions = 0;
  private readonly changeTimer: HostTimer;
  private readonly answerTimer: HostTimer;

  constructor(core: HostCore) {
    this.core = core;
    this.changeTimer = new HostTimer(core.tcp, () => this.repeat());
    this.answerTimer = new HostTimer(core.tcp, () => this.report(MldRecordType.MODE_IS_EXCLUDE));
  }

  /** Our addresses have changed: reported at once, and once more in case the first report gets lost. */
  changed(): void {
    this.report(MldRecordType.CHANGE_TO_EXCLUDE);
    this.repetitions = ROBUSTNESS - 1;
    this.changeTimer.arm(this.within(UNSOLICITED_INTERVAL_MILLISECONDS));
  }

  /** A router asks: it is answered some time before its limit (RFC 3810 section 6.2). */
  queried(frame: Uint8Array, packet: IpPacket): DropReason {
    const { query } = this;
    const reason = parseMldQuery(frame, packet.payloadOffset, packet.payloadLength, query);
    if (reason !== DropReason.NONE) return reason;
    // From a router of the link, unforwarded (RFC 3810 section 5.1.14).
    if (packet.hopLimit !== 1 || !isLinkLocal(packet.source)) return DropReason.ICMP_TYPE;
    const isAboutUs = query.group.isUnspecified || this.groups().some((group) => group.equals(query.group));
    if (isAboutUs) this.answerTimer.armIfIdle(this.within(query.maximumResponse));
    return DropReason.NONE;
  }

  /** Stops all timers. */
  clear(): void {
    this.changeTimer.cancel();
    this.answerTimer.cancel();
  }

  private repeat(): void {
    if (this.repetitions === 0) return;
    this.repetitions--;
    this.report(MldRecordType.CHANGE_TO_EXCLUDE);
    if (this.repetitions > 0) this.changeTimer.arm(this.within(UNSOLICITED_INTERVAL_MILLISECONDS));
  }

  /** A random time, ticks. */
  private within(milliseconds: number): number {
    const fraction = (this.core.tcp.random() >>> 8) / 0x100_0000;
    return this.core.milliseconds(milliseconds * fraction);
  }

  private groups(): IpAddress[] {
    const groups: IpAddress[] = [];
    for (const { address, state } of this.core.interface.addresses) {
      if (address.family === 4 || state === 'duplicate') continue;
      const group = solicitedNode(address);
      if (!groups.some((known) => known.equals(group))) groups.push(group);
    }
    return groups;
  }

  private report(recordType: number): void {
    const { core } = this;
    const groups = this.groups();
    if (groups.length === 0) return;
    // Until the link-local address is ours, reports come from nowhere (RFC 3590).
    const own = core.interface.addresses.find(({ address, isAssigned }) => isAssigned && isLinkLocal(address));
    const source = own?.address ?? UNSPECIFIED_IPV6;
    const length = mldReportLength(groups.length);
    const frame = core.buffers.allocate(REPORT + length);
    const to = multicastMacAddress(ALL_MLDV2_ROUTERS);
    writeEthernet(frame, 0, to.bytes, core.interface.macAddress.bytes, EtherType.IPV6, 0, 0);
    const header = core.buffers.scratchIpv6;
    setIpv6Addresses(header, source, ALL_MLDV2_ROUTERS);
    header.trafficClass = 0;
    header.flowLabel = 0;
    header.hopLimit = 1;
    header.protocol = Ipv6Extension.HOP_BY_HOP;
    header.bodyLength = ROUTER_ALERT_HEADER.length + length;
    writeIpv6(header, frame, ETHERNET_HEADER_LENGTH);
    frame.set(ROUTER_ALERT_HEADER, ETHERNET_HEADER_LENGTH + IPV6_HEADER_LENGTH);
    writeMldReport(frame, REPORT, source, recordType, groups);
    core.sendFrame(frame, 0);
  }
}
