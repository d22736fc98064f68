/** Frames from the link: to the engine when they belong to an offloaded connection, else up the ordinary path. */
import { NdisStatus } from '../../ndis/index.ts';
import { Disposition, isOvertaken, segmentArrives, TcpState } from '../../tcp/index.ts';
import {
  DropReason,
  EcnCodepoint,
  EthernetHeader,
  IpPacket,
  IpProtocol,
  parseEthernet,
  parseIp,
  parseTcp,
  TcpFlag,
  TcpHeader,
  verifyTcpChecksum,
} from '../../wire/index.ts';
import type { ConnectionContext } from './contexts.ts';
import type { NicCore } from './core.ts';
import { applyDisposition } from './dispositions.ts';
import { portPair } from './flow-table.ts';
import { countReset } from './upload-request.ts';

/** The ECN bits of a traffic class (RFC 3168 section 5). */
const ECN_MASK = 3;

/** The scratch headers of one NIC. */
export class ReceivePath {
  private readonly core: NicCore;
  private readonly ethernet = new EthernetHeader();
  private readonly ip = new IpPacket();
  private readonly tcp = new TcpHeader();

  constructor(core: NicCore) {
    this.core = core;
  }

  /**
   * Takes one frame. What it does not end here goes up untouched (NSP-01…05, STAT-11, STAT-16).
   *
   * @param checksumValid the link vouches for the TCP checksum
   */
  receive(frame: Uint8Array, checksumValid: boolean): void {
    const { core, ethernet } = this;
    const reason = parseEthernet(frame, 0, frame.length, ethernet);
    if (reason !== DropReason.NONE) {
      core.drops.count(reason);
      return;
    }
    if (!this.isForUs()) {
      core.drops.count(DropReason.ETHERNET_DESTINATION);
      return;
    }
    const connection = this.connectionOf(frame);
    if (connection === null) core.post({ kind: 'frameUp', frame, checksumValid });
    else this.segment(connection, frame, checksumValid);
  }

  /** A segment that the host received and forwards: TCP header and data (FWD-06). */
  forwarded(connection: ConnectionContext, bytes: Uint8Array, congestionExperienced: boolean): NdisStatus {
    if (connection.aborted) return NdisStatus.REQUEST_ABORTED;
    if (connection.stopped !== 0 || connection.terminating) return NdisStatus.UPLOAD_IN_PROGRESS;
    if (parseTcp(bytes, 0, bytes.length, this.tcp) !== DropReason.NONE) return NdisStatus.SUCCESS;
    if (isOvertaken(connection.cb, this.tcp)) return NdisStatus.SUCCESS;
    if (congestionExperienced) this.tcp.ecn = EcnCodepoint.CE;
    const disposition = this.process(connection, bytes, null);
    // URG-03: not processed after all; the host keeps it for the time after the upload.
    return disposition & Disposition.URGENT ? NdisStatus.UPLOAD_IN_PROGRESS : NdisStatus.SUCCESS;
  }

  /** A frame that was held, its checksum verified, while its connection stood still and now goes on. */
  resumeFrame(connection: ConnectionContext, frame: Uint8Array): void {
    if (parseEthernet(frame, 0, frame.length, this.ethernet) !== DropReason.NONE) return;
    if (this.connectionOf(frame) === connection) this.segment(connection, frame, true);
  }

  /** The interface's MAC, one that a neighbor gave as source (STATE-19), or a group (STATE-20). */
  private isForUs(): boolean {
    const { ethernet, core } = this;
    if (ethernet.isMulticast) return true;
    const { macAddress } = core.options;
    if (ethernet.destinationLow === macAddress.low && ethernet.destinationHigh === macAddress.high) return true;
    for (const neighbor of core.neighbors.values()) {
      const own = neighbor.dlSourceAddress;
      if (own !== null && own.low === ethernet.destinationLow && own.high === ethernet.destinationHigh) return true;
    }
    return false;
  }

  /** The connection whose whole, unfragmented, option-free segment this is, by its exact addresses and ports; or null. */
  private connectionOf(frame: Uint8Array): ConnectionContext | null {
    const { ethernet, ip, tcp, core } = this;
    if (core.flows.size === 0) return null;
    const { payloadOffset, payloadLength, etherType } = ethernet;
    if (parseIp(frame, payloadOffset, payloadLength, etherType, ip) !== DropReason.NONE) return null;
    // NSP-02, NSP-03: datagrams with options or extension headers and fragments are the host's; their segments come back by forward.
    if (ip.protocol !== IpProtocol.TCP || ip.hasOptions || ip.isFragment) return null;
    if (parseTcp(frame, ip.payloadOffset, ip.payloadLength, tcp) !== DropReason.NONE) return null;
    return core.flows.find(ip, portPair(tcp.destinationPort, tcp.sourcePort));
  }

  private segment(connection: ConnectionContext, frame: Uint8Array, checksumValid: boolean): void {
    const { core, ethernet, tcp } = this;
    const { neighbor } = connection.path;
    // VLAN-12: with a VLAN nothing else is accepted. VLAN-11: without one everything is.
    if (neighbor.vlanId !== 0 && ethernet.vlanId !== neighbor.vlanId) {
      core.drops.count(DropReason.VLAN_MISMATCH);
      return;
    }
    const own = neighbor.dlSourceAddress ?? core.options.macAddress;
    const addressed = own.low === ethernet.destinationLow && own.high === ethernet.destinationHigh;
    const { state } = connection.cb.delegated;
    // NSP-04, NSP-05: a new connection over one in TIME-WAIT, and what comes after the end, is for the host.
    const over = state === TcpState.CLOSED || (state === TcpState.TIME_WAIT && (tcp.flags & TcpFlag.SYN) !== 0);
    if (over || !(addressed || ethernet.isMulticast) || !(checksumValid || this.isChecksumRight(frame))) {
      core.post({ kind: 'frameUp', frame, checksumValid });
      return;
    }
    if (connection.stopped !== 0) this.hold(connection, frame);
    else if (connection.terminating)
      core.post({ kind: 'frameUp', frame, checksumValid }); // TERM-12
    else this.process(connection, frame, frame);
  }

  private isChecksumRight(frame: Uint8Array): boolean {
    const { ip } = this;
    const sum = ip.pseudoHeaderSum(IpProtocol.TCP, ip.payloadLength);
    return verifyTcpChecksum(frame, ip.payloadOffset, ip.payloadLength, sum);
  }

  /** Runs the engine. `frame` is kept when the segment turns out to be urgent; null for a forwarded segment. */
  private process(connection: ConnectionContext, buffer: Uint8Array, frame: Uint8Array | null): number {
    const { core, ip, tcp } = this;
    const { ip: ipCounters, tcp: tcpCounters } = core.statistics.of(connection.family);
    tcpCounters.inSegments += 1;
    if (frame !== null) {
      ipCounters.inReceives += 1;
      ipCounters.inOctets += ip.totalLength;
      ipCounters.inDelivers += 1;
    }
    const before = connection.cb.delegated.state;
    if (frame !== null) tcp.ecn = ip.trafficClass & ECN_MASK;
    const disposition = segmentArrives(core.tcp, connection.cb, tcp, buffer);
    if (disposition & Disposition.RESET) countReset(core, connection, before);
    applyDisposition(core, connection, disposition);
    if (disposition & Disposition.URGENT && frame !== null) this.hold(connection, frame);
    return disposition;
  }

  /** URG-04: queued unprocessed until the terminate. A full queue leaves the rest to the peer's retransmissions. */
  private hold(connection: ConnectionContext, frame: Uint8Array): void {
    const { core } = this;
    connection.heldFrames ??= [];
    if (connection.heldFrames.length >= core.options.limits.heldSegments) {
      core.drops.count(DropReason.RESOURCES);
      core.statistics.of(connection.family).ip.inDiscards += 1;
      return;
    }
    connection.heldFrames.push(frame);
  }
}
