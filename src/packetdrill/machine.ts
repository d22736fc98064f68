/**
 * The stack under test with its adapter, on a virtual clock, and the other end of its wire: every question for a
 * link address is answered at once, every segment that leaves is kept with its time.
 */
import { type Connection, HostStack } from '../host/index.ts';
import { Random } from '../link/index.ts';
import { createVerifier, Ndis } from '../ndis/index.ts';
import { SoftwareAdapter } from '../target/index.ts';
import { type CongestionControlName, sendAck, type TcpParameters } from '../tcp/index.ts';
import { MacAddress } from '../wire/index.ts';
import type { Addressing } from './frames.ts';
import { resolve } from './resolver.ts';
import { readSegment, type SentSegment } from './sent.ts';
import type { Settings } from './settings.ts';

/** The stack's clock when the script's begins, microseconds. */
const BEGINNING = 100_000_000;

/** Segments that TCP_QUICKACK has acknowledged at once. */
const QUICK_ACKS = 16;

/** Advances without rest that prove an endless loop. */
const ROUND_LIMIT = 10_000;

const LOCAL_MAC = MacAddress.fromWords(0x0200, 1);
const REMOTE_MAC = MacAddress.fromWords(0x0200, 2);

export class Machine {
  readonly stack: HostStack;
  readonly adapter: SoftwareAdapter;
  readonly addressing: Addressing;
  /** Segments that the stack sent and nobody has looked at yet, oldest first. */
  readonly sent: SentSegment[] = [];
  /** All segments that the stack sent. */
  readonly transcript: SentSegment[] = [];
  /** Connections are being moved: what leaves now is not the script's doing. */
  moving = false;
  /** Keepalive of sockets that choose no times. */
  readonly keepAlive: Settings['keepAlive'];
  /** Virtual time of the script, microseconds. */
  now = 0;
  private receive: (frame: Uint8Array) => void = () => {};
  /** Answers to questions for link addresses, which reach the stack later and not from within its own call. */
  private answers: Uint8Array[] = [];
  /** What is to be done later, script time. */
  private alarms: { readonly at: number; readonly run: () => void }[] = [];
  /** When somebody wants to be looked at again, script time. */
  private wake = Number.POSITIVE_INFINITY;

  constructor(settings: Settings) {
    this.keepAlive = settings.keepAlive;
    const machine = this;
    this.addressing = {
      localAddress: settings.localAddress,
      localMac: LOCAL_MAC,
      remoteAddress: settings.remoteAddress,
      remoteMac: REMOTE_MAC,
    };
    const random = new Random(settings.seed);
    const ndis = new Ndis({ verifier: createVerifier() });
    const link = {
      name: 'wire',
      mtu: settings.mtu,
      get onReceive(): (frame: Uint8Array) => void {
        return machine.receive;
      },
      set onReceive(receive: (frame: Uint8Array) => void) {
        machine.receive = receive;
      },
      send: (frame: Uint8Array): void => this.frameSent(frame),
    };
    const parameters = { ...settings.parameters, blackHoleDetection: settings.blackHoleDetection };
    const randomInt32 = (): number => random.int32();
    this.adapter = new SoftwareAdapter({
      name: 'nic',
      macAddress: LOCAL_MAC,
      link,
      parameters,
      random: randomInt32,
      now: BEGINNING,
    });
    this.stack = new HostStack({
      name: 'host',
      ndis,
      adapter: this.adapter.initialize(ndis),
      address: settings.localAddress,
      prefixLength: settings.prefixLength,
      gateway: settings.gatewayAddress,
      duplicateAddressProbes: 0,
      acceptRouterAdvertisements: false,
      mtu: settings.mtu,
      parameters,
      random: randomInt32,
      now: BEGINNING,
      receiveBufferBytes: settings.receiveBufferBytes,
      sendBufferBytes: settings.sendBufferBytes,
      connection: settings.connection,
    });
    this.settle();
  }

  /** Does everything that is due now. */
  settle(): void {
    const now = BEGINNING + this.now;
    const { stack, adapter } = this;
    this.ring();
    // Calls of the application only leave work behind: it is due whether or not a deadline says so.
    stack.advance(now);
    for (let round = 0; round < ROUND_LIMIT; round++) {
      const answers = this.answers;
      this.answers = [];
      for (const answer of answers) this.receive(answer);
      const stackIsDue = stack.nextDeadline() <= now;
      const adapterIsDue = adapter.nextDeadline() <= now;
      if (adapterIsDue) adapter.advance(now);
      if (stackIsDue) stack.advance(now);
      if (!stackIsDue && !adapterIsDue && this.answers.length === 0) return;
    }
    throw new Error('the stack does not come to rest');
  }

  /** When something happens by itself next, script time; Infinity when nothing will. */
  nextDeadline(): number {
    const next = Math.min(this.stack.nextDeadline(), this.adapter.nextDeadline());
    return Math.min(Math.ceil(next) - BEGINNING, this.wake);
  }

  /** Moves the clock to the next thing that happens, at most to `limit`; false when nothing does before it. */
  step(limit: number): boolean {
    const next = Math.max(this.now, this.nextDeadline());
    if (next > limit) return false;
    this.now = next;
    if (this.wake <= next) this.wake = Number.POSITIVE_INFINITY;
    this.settle();
    return true;
  }

  /** Moves the clock to `time`, doing everything on the way. */
  runTo(time: number): void {
    this.settle();
    while (this.step(time)) {
      if (this.nextDeadline() > time) break;
    }
    if (time > this.now) {
      this.now = time;
      this.settle();
    }
  }

  /** Has something done at `time`. */
  alarm(time: number, run: () => void): void {
    this.alarms.push({ at: time, run });
    this.wakeAt(time);
  }

  private ring(): void {
    const due = this.alarms.filter((alarm) => alarm.at <= this.now);
    if (due.length === 0) return;
    this.alarms = this.alarms.filter((alarm) => alarm.at > this.now);
    for (const alarm of due) alarm.run();
    for (const alarm of this.alarms) this.wakeAt(alarm.at);
  }

  /** Makes sure that the clock stops at `time`. */
  wakeAt(time: number): void {
    this.wake = Math.min(this.wake, time);
  }

  /** Changes settings of the host's engine while it runs. */
  setParameters(parameters: Partial<TcpParameters>): void {
    Object.assign(this.stack.core.tcp.parameters, parameters);
  }

  /** TCP_QUICKACK: acknowledge the next segments at once, with what is owed now; or delay as usual. */
  setQuickAck(connection: Connection | null, on: boolean): void {
    const ownership = connection?.ownership ?? null;
    if (ownership === null || ownership.owner !== 'host') return;
    const { cb } = ownership;
    cb.quickAcks = on ? QUICK_ACKS : 0;
    if (on && cb.delayedAckDeadline >= 0) sendAck(this.stack.core.tcp, cb);
  }

  /** Another congestion control for a connection that is open. */
  setCongestionControl(connection: Connection | null, name: CongestionControlName): void {
    const ownership = connection?.ownership ?? null;
    if (ownership !== null && ownership.owner === 'host') ownership.cb.useCongestionControl(name);
  }

  /** A frame arrives from the wire. */
  inject(frame: Uint8Array): void {
    this.receive(frame);
    this.settle();
  }

  private frameSent(frame: Uint8Array): void {
    const resolution = resolve(frame, this.addressing);
    if (resolution.isQuestion) {
      if (resolution.answer !== null) this.answers.push(resolution.answer);
      return;
    }
    const segment = readSegment(frame, this.addressing, this.now, this.moving);
    if (segment === null) return;
    this.sent.push(segment);
    this.transcript.push(segment);
  }
}
