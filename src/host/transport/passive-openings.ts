/**
 * Segments for a listener (RFC 9293 section 3.10.7.2): SYNs become half-open connections as long as there is room for
 * them, and are answered with cookies beyond that (RFC 4987 section 3.6), so that a flood of forged SYNs takes no memory
 * and shuts nobody out.
 */
import { type ControlBlock, MemoryState, openFromCookie, openPassive, TcpState } from '../../tcp/index.ts';
import { DropReason, type IpPacket, TcpFlag, type TcpHeader } from '../../wire/index.ts';
import type { Connection } from '../connection.ts';
import type { HostCore } from '../core.ts';
import type { HostSettings } from '../settings.ts';
import type { CookieHandshakes } from './cookie-handshakes.ts';
import type { Listener } from './listener.ts';
import type { Nobody } from './nobody.ts';
import type { Openings } from './opening.ts';

/** What passive openings ask of the transport layer. */
export interface PassiveOpener {
  /** A new connection in the table, with path and control block, that counts for the listener; null without a way to its peer. */
  embryo(listener: Listener, ip: IpPacket, header: TcpHeader): ControlBlock | null;
  /** Processes a segment of a connection that the host owns. */
  arrives(connection: Connection, header: TcpHeader, frame: Uint8Array): void;
  /** Removes a connection without a word to its peer. */
  forget(connection: Connection): void;
}

export class PassiveOpenings {
  private readonly core: HostCore;
  private readonly settings: HostSettings;
  private readonly openings: Openings;
  private readonly cookies: CookieHandshakes;
  private readonly nobody: Nobody;
  private readonly opener: PassiveOpener;

  constructor(
    core: HostCore,
    settings: HostSettings,
    openings: Openings,
    cookies: CookieHandshakes,
    nobody: Nobody,
    opener: PassiveOpener,
  ) {
    this.core = core;
    this.settings = settings;
    this.openings = openings;
    this.cookies = cookies;
    this.nobody = nobody;
    this.opener = opener;
  }

  /** A segment for a listener that belongs to no connection. */
  arrives(listener: Listener, ip: IpPacket, header: TcpHeader, frame: Uint8Array): void {
    // First RST, second ACK, third SYN; anything else is not for a listener (RFC 9293 section 3.10.7.2).
    if (header.flags & TcpFlag.ACK) this.ackArrives(listener, ip, header, frame);
    else if (!(header.flags & TcpFlag.RST) && header.flags & TcpFlag.SYN) {
      if (header.flags & TcpFlag.FIN && this.core.tcp.parameters.arrival.dropsSynFin) return;
      this.synArrives(listener, ip, header);
    }
  }

  /**
   * Whether a segment that would complete an opening has to be dropped because too many connections wait to be accepted.
   * Nothing is reset: the SYN-ACK, or the peer's data, will be repeated.
   */
  mustWait(connection: Connection, cb: ControlBlock, header: TcpHeader): boolean {
    const { listener } = connection;
    if (listener === null || cb.delegated.state !== TcpState.SYN_RECEIVED || !listener.isAcceptQueueFull) return false;
    if ((header.flags & (TcpFlag.ACK | TcpFlag.RST | TcpFlag.SYN)) !== TcpFlag.ACK) return false;
    this.core.statistics.acceptOverflows++;
    return true;
  }

  private synArrives(listener: Listener, ip: IpPacket, header: TcpHeader): void {
    if (this.isOutOfMemory()) {
      this.core.statistics.memoryRefusals++;
    } else if (listener.isAcceptQueueFull) {
      // The application does not keep up: more connections would only wait longer. The peer repeats its SYN.
      this.core.statistics.acceptOverflows++;
    } else if (listener.hasRoom || (!this.settings.synCookies && this.makeRoom(listener))) {
      this.open(listener, ip, header);
      return;
    } else if (this.settings.synCookies && ip.returnRoute === null) {
      // A cookie has no room for a source route.
      this.cookies.answer(listener, ip, header);
      return;
    }
    this.core.statistics.backlogDrops++;
    this.core.drops.count(DropReason.RESOURCES);
  }

  /** Gives up the oldest half-open connection, without a word, if a SYN-ACK of it has gone unanswered (RFC 4987 section 3.4). */
  private makeRoom(listener: Listener): boolean {
    const oldest = listener.oldestHalfOpen;
    const ownership = oldest?.ownership;
    if (oldest === null || ownership?.owner !== 'host' || ownership.cb.synRetransmissions === 0) return false;
    this.core.statistics.halfOpenRecycled++;
    this.opener.forget(oldest);
    return listener.hasRoom;
  }

  private open(listener: Listener, ip: IpPacket, header: TcpHeader): void {
    const cb = this.opener.embryo(listener, ip, header);
    if (cb === null) return;
    openPassive(this.core.tcp, cb, header, this.openings.initialSequence(cb.attachment as Connection));
  }

  /** An ACK for a listener is the answer to a cookie, or a reset is due (RFC 9293 section 3.10.7.2, second). */
  private ackArrives(listener: Listener, ip: IpPacket, header: TcpHeader, frame: Uint8Array): void {
    const syn = this.cookies.accept(listener, ip, header);
    if (syn === null) {
      this.nobody.answer(ip, header);
      return;
    }
    if (this.isOutOfMemory()) {
      this.core.statistics.memoryRefusals++;
      return;
    }
    if (listener.isAcceptQueueFull) {
      this.core.statistics.acceptOverflows++;
      return;
    }
    const cb = this.opener.embryo(listener, ip, header);
    if (cb === null) return;
    this.core.statistics.synCookiesAccepted++;
    openFromCookie(this.core.tcp, cb, syn, (header.acknowledgment - 1) | 0);
    header.timestampEcho = 0; // its low bits are no time: it measures nothing
    this.opener.arrives(cb.attachment as Connection, header, frame);
  }

  private isOutOfMemory(): boolean {
    return this.core.tcp.memoryState >= MemoryState.EXHAUSTED;
  }
}
