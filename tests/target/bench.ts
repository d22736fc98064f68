/**
 * A software adapter between a small protocol driver, which records everything, and a scripted peer on its link; the
 * verifier is on. The host side has the addresses of `LOCAL`, the peer those of `REMOTE`.
 */
import {
  type BytesConsumed,
  ChimneyOffloadType,
  CLIENT_GENERIC_HEADER,
  CLIENT_TCP_HEADER,
  type ClientChimneyOffloadGenericCharacteristics,
  type ClientChimneyOffloadTcpCharacteristics,
  contiguousBytes,
  createVerifier,
  dataLengthOf,
  type MiniportAdapter,
  Ndis,
  type NdisBinding,
  NdisOffloadHandle,
  NdisStatus,
  NeighborCachedState,
  NeighborConstantState,
  NeighborDelegatedState,
  NeighborOffloadState,
  type NetBufferList,
  netBufferListOf,
  netBufferListsOf,
  newOffload,
  type OffloadBlockList,
  type OffloadEvent,
  OffloadStateType,
  Oid,
  type OidRequest,
  oidQuery,
  oidSet,
  PathCachedState,
  PathConstantState,
  PathDelegatedState,
  PathOffloadState,
  type ProtocolDriverCharacteristics,
  type ProtocolOffloadBlockList,
  type StatusIndication,
  statusName,
  TcpDisconnectFlag,
  TcpOffloadEventType,
  TcpOffloadState,
  uploadReasonName,
  viewsOfNetBufferList,
} from '../../src/ndis/index.ts';
import { SoftwareAdapter, type SoftwareAdapterOptions, type TargetLink } from '../../src/target/index.ts';
import { TcpCachedState, TcpConstantState, TcpDelegatedState, TcpState } from '../../src/tcp/index.ts';
import {
  buildTcpFrame,
  EthernetHeader,
  FrameBuffers,
  IpAddress,
  Ipv4Header,
  MacAddress,
  parseEthernet,
  parseIpv4,
  parseTcp,
  TcpFlag,
  TcpHeader,
} from '../../src/wire/index.ts';

const mac = (text: string): MacAddress => MacAddress.parse(text) as MacAddress;
const ip = (text: string): IpAddress => IpAddress.parse(text) as IpAddress;

export const LOCAL = { mac: mac('02:00:00:00:00:01'), address: ip('10.0.0.1'), port: 80 };
export const REMOTE = { mac: mac('02:00:00:00:00:02'), address: ip('10.0.0.2'), port: 4000 };

/** SND.UNA and RCV.NXT of the default connection. */
export const SND = 1000;
export const RCV = 5000;

/** `length` bytes that differ from their neighbours, starting at `from`. */
export function pattern(length: number, from = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => ((from + index) * 31 + ((from + index) >> 8)) & 0xff);
}

/** What of a frame the tests look at. */
export interface SentSegment {
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly payload: Uint8Array;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly ttl: number;
  readonly typeOfService: number;
  readonly destinationMac: string;
  readonly sourceMac: string;
  readonly vlanId: number;
  readonly priority: number;
  readonly timestampValue: number;
  readonly hasTimestamp: boolean;
}

export interface PeerSegment {
  sequence?: number;
  acknowledgment?: number;
  flags?: number;
  window?: number;
  payload?: Uint8Array;
  remotePort?: number;
  destinationMac?: MacAddress;
  vlanId?: number;
  timestampValue?: number;
  timestampEcho?: number;
}

class FakeLink implements TargetLink {
  readonly mtu = 1500;
  readonly frames: Uint8Array[] = [];
  onReceive: (frame: Uint8Array) => void = () => {};
  send(frame: Uint8Array): void {
    this.frames.push(frame);
  }
}

interface HostBinding {
  readonly name: string;
}

/** How the host answers an indication: bytes that it takes, all by default. */
export type Acceptance = (length: number) => number;

export class Bench {
  readonly ndis: Ndis;
  readonly link = new FakeLink();
  readonly target: SoftwareAdapter;
  readonly adapter: MiniportAdapter;
  readonly binding: NdisBinding<HostBinding>;
  /** What the driver above was told, one line each, in order. */
  log: string[] = [];
  /** Bytes that the application got, in order. */
  received: number[] = [];
  accept: Acceptance = (length) => length;
  /** HRD that the host answers to a neighbor query. */
  neighborAnswer = 0;
  /** Lists with accepted data, given back by `returnAll`. */
  indicated: NetBufferList[] = [];
  ordinary: Uint8Array[] = [];
  oidResults: OidRequest[] = [];
  now: number;
  private readonly buffers = new FrameBuffers();

  /** @param verified false for a driver above that breaks rules on purpose. */
  constructor(options: Partial<SoftwareAdapterOptions> = {}, verified = true) {
    this.ndis = new Ndis({ verifier: verified ? createVerifier() : null });
    this.now = options.now ?? 1_000_000;
    let seed = 1;
    this.target = new SoftwareAdapter({
      name: 'nic0',
      macAddress: LOCAL.mac,
      link: this.link,
      random: () => {
        seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
        return seed;
      },
      now: this.now,
      ...options,
    });
    this.adapter = this.target.initialize(this.ndis);
    const driver = this.ndis.registerProtocolDriver(this.protocol());
    this.binding = driver.openAdapter(this.adapter, { name: 'host' });
    const query = oidQuery(Oid.TCP_TASK_OFFLOAD);
    this.binding.oidRequest(query);
    this.binding.oidRequest(oidSet(Oid.TCP_TASK_OFFLOAD, query.information));
    this.run();
  }

  /** Runs the adapter until nothing is due, after moving its clock by so many microseconds. */
  run(microseconds = 0): void {
    this.now += microseconds;
    for (let round = 0; round < 100; round += 1) {
      this.target.advance(this.now);
      if (this.target.nextDeadline() > this.now) return;
    }
    throw new Error('the adapter never comes to rest');
  }

  /** Moves the clock on, stopping wherever something is due. */
  elapse(microseconds: number): void {
    const end = this.now + microseconds;
    for (;;) {
      const next = this.target.nextDeadline();
      if (next > end) break;
      this.now = Math.max(this.now, next);
      this.run();
    }
    this.now = end;
    this.run();
  }

  /** The log since the last call. */
  takeLog(): string[] {
    const { log } = this;
    this.log = [];
    return log;
  }

  /** A segment of the peer arrives. */
  peer(segment: PeerSegment): void {
    this.link.onReceive(this.peerFrame(segment));
    this.run();
  }

  peerFrame(segment: PeerSegment): Uint8Array {
    const header = new TcpHeader();
    header.sourcePort = segment.remotePort ?? REMOTE.port;
    header.destinationPort = LOCAL.port;
    header.sequence = segment.sequence ?? RCV;
    header.acknowledgment = segment.acknowledgment ?? SND;
    header.flags = segment.flags ?? TcpFlag.ACK;
    header.window = segment.window ?? 65535;
    if (segment.timestampValue !== undefined) {
      header.hasTimestamp = true;
      header.timestampValue = segment.timestampValue;
      header.timestampEcho = segment.timestampEcho ?? 0;
    }
    const payload = segment.payload ?? new Uint8Array(0);
    return buildTcpFrame(
      this.buffers,
      {
        destination: (segment.destinationMac ?? LOCAL.mac).bytes,
        source: REMOTE.mac.bytes,
        vlanId: segment.vlanId ?? 0,
        userPriority: 0,
        sourceAddress: REMOTE.address,
        destinationAddress: LOCAL.address,
        ttl: 64,
        typeOfService: 0,
        flowLabel: 0,
      },
      7,
      header,
      {
        copyTo: (offset, length, target, targetOffset) =>
          target.set(payload.subarray(offset, offset + length), targetOffset),
      },
      0,
      payload.length,
    );
  }

  /** The TCP segments sent since the last call. */
  takeSent(): SentSegment[] {
    return this.link.frames.splice(0).map(parseSent);
  }

  /** Accepted lists go back (RECV-45). */
  returnAll(): void {
    for (const list of this.indicated.splice(0)) this.binding.offloadTcpReceiveReturn(list);
  }

  send(handle: NdisOffloadHandle, ...chunks: (Uint8Array | Uint8Array[])[]): NetBufferList {
    const lists = chunks.map((chunk) => netBufferListOf(chunk));
    for (let index = 0; index < lists.length; index += 1) lists[index].next = lists[index + 1] ?? null;
    this.binding.offloadTcpSend(handle, lists[0]);
    this.run();
    return lists[0];
  }

  post(handle: NdisOffloadHandle, length: number, noPush = false): NetBufferList {
    const list = netBufferListOf(new Uint8Array(length));
    list.tcpReceiveNoPush = noPush;
    this.binding.offloadTcpReceive(handle, list);
    this.run();
    return list;
  }

  disconnect(handle: NdisOffloadHandle, data: Uint8Array, abortive = false): void {
    const flag = abortive ? TcpDisconnectFlag.ABORTIVE_CLOSE : TcpDisconnectFlag.GRACEFUL_CLOSE;
    this.binding.offloadTcpDisconnect(handle, netBufferListOf(data), flag);
    this.run();
  }

  initiate(root: OffloadBlockList): void {
    this.binding.initiateOffload(root);
    this.run();
  }

  /** Terminates one object; returns its block with what came back. */
  terminate(handle: NdisOffloadHandle, type: OffloadStateType, state: TcpOffloadState | null): OffloadBlockList {
    const block = newOffload(handle, type, state);
    this.binding.terminateOffload(block);
    this.run();
    return block;
  }

  /** Terminates a connection and gives back what it had buffered. */
  terminateTcp(handle: NdisOffloadHandle): { block: OffloadBlockList; state: TcpOffloadState; buffered: Uint8Array } {
    const state = new TcpOffloadState(null, null, new TcpDelegatedState());
    const block = this.terminate(handle, OffloadStateType.TCP_DELEGATED, state);
    const buffered = bytesOfChain(state.bufferedData);
    if (state.bufferedData !== null) this.binding.offloadTcpReceiveReturn(state.bufferedData);
    return { block, state, buffered };
  }

  private protocol(): ProtocolDriverCharacteristics<HostBinding> {
    const generic = this.genericClient();
    const tcp = this.tcpClient();
    return {
      name: 'bench',
      setOptions(driver) {
        driver.setOptionalHandlers(generic);
        driver.setOptionalHandlers(tcp);
      },
      receiveNetBufferLists: (_binding, list) => {
        for (const each of netBufferListsOf(list)) this.ordinary.push(contiguousBytes(each.firstNetBuffer));
        this.log.push('ordinary');
        this.binding.returnNetBufferLists(list);
      },
      sendNetBufferListsComplete: () => this.log.push('ordinary send complete'),
      statusEx: (_binding, indication: StatusIndication) => {
        this.log.push(`status ${statusName(indication.statusCode)}`);
      },
      oidRequestComplete: (_binding, request) => this.oidResults.push(request),
      unbindAdapter: () => this.binding.close(),
    };
  }

  private genericClient(): ClientChimneyOffloadGenericCharacteristics<HostBinding> {
    const note = (operation: string) => (_binding: HostBinding, root: ProtocolOffloadBlockList) => {
      this.log.push(`${operation} ${shortStatus(root.status)}`);
    };
    return {
      header: CLIENT_GENERIC_HEADER,
      initiateOffloadComplete: note('initiate'),
      terminateOffloadComplete: note('terminate'),
      updateOffloadComplete: note('update'),
      invalidateOffloadComplete: note('invalidate'),
      queryOffloadComplete: note('query'),
      indicateOffloadEvent: (_binding, block, code: OffloadEvent) => {
        const state = block?.state;
        if (state?.kind !== 'neighbor') {
          this.log.push(`offload event ${code}`);
          return;
        }
        this.log.push(
          `neighbor query hrd ${state.cached?.hostReachabilityDelta} nrd ${state.delegated?.nicReachabilityDelta}`,
        );
        if (state.cached !== null) state.cached.hostReachabilityDelta = this.neighborAnswer;
      },
    };
  }

  private tcpClient(): ClientChimneyOffloadTcpCharacteristics<HostBinding> {
    const note = (request: string) => (_binding: HostBinding, head: NetBufferList) => {
      for (const list of netBufferListsOf(head)) {
        const moved = request === 'forward' ? '' : ` ${list.tcpOffloadBytesTransferred}`;
        this.log.push(`${request} ${shortStatus(list.status)}${moved}`);
      }
    };
    const noteReceive = note('receive');
    return {
      header: CLIENT_TCP_HEADER,
      offloadType: ChimneyOffloadType.TCP,
      tcpOffloadSendComplete: note('send'),
      tcpOffloadReceiveComplete: (binding, head) => {
        for (const list of netBufferListsOf(head)) {
          const filled = list.tcpOffloadBytesTransferred;
          this.received.push(...list.firstNetBuffer.mdlChain.bytes.subarray(0, filled));
        }
        noteReceive(binding, head);
      },
      tcpOffloadDisconnectComplete: note('disconnect'),
      tcpOffloadForwardComplete: note('forward'),
      tcpOffloadEvent: (_handle, type, information) => this.log.push(eventText(type, information)),
      tcpOffloadReceiveIndicate: (_handle, list, _status, consumed) => this.indication(list, consumed),
    };
  }

  private indication(list: NetBufferList, consumed: BytesConsumed): NdisStatus {
    const length = dataLengthOf(list);
    const taken = Math.min(length, this.accept(length));
    this.log.push(`indicate ${length} take ${taken}`);
    consumed.value = taken;
    this.received.push(...bytesOfChain(list).subarray(0, taken));
    if (taken === length) {
      this.indicated.push(list);
      return NdisStatus.SUCCESS;
    }
    return taken === 0 ? NdisStatus.OFFLOAD_DATA_NOT_ACCEPTED : NdisStatus.OFFLOAD_DATA_PARTIALLY_ACCEPTED;
  }
}

function shortStatus(status: NdisStatus): string {
  return statusName(status).replace('NDIS_STATUS_', '');
}

function eventText(type: TcpOffloadEventType, information: number): string {
  switch (type) {
    case TcpOffloadEventType.DISCONNECT:
      return 'event disconnect';
    case TcpOffloadEventType.ABORT:
      return 'event abort';
    case TcpOffloadEventType.RETRIEVE:
      return `event retrieve ${uploadReasonName(information)}`;
    default:
      return `event backlog ${information}`;
  }
}

/** All bytes of a chain of lists. */
export function bytesOfChain(head: NetBufferList | null): Uint8Array {
  const bytes: number[] = [];
  for (const list of netBufferListsOf(head)) for (const view of viewsOfNetBufferList(list)) bytes.push(...view);
  return Uint8Array.from(bytes);
}

function parseSent(frame: Uint8Array): SentSegment {
  const ethernet = new EthernetHeader();
  const ipv4 = new Ipv4Header();
  const tcp = new TcpHeader();
  parseEthernet(frame, 0, frame.length, ethernet);
  parseIpv4(frame, ethernet.payloadOffset, ethernet.payloadLength, ipv4);
  parseTcp(frame, ipv4.payloadOffset, ipv4.payloadLength, tcp);
  return {
    sequence: tcp.sequence,
    acknowledgment: tcp.acknowledgment,
    flags: tcp.flags,
    window: tcp.window,
    payload: frame.slice(tcp.payloadOffset, tcp.payloadOffset + tcp.payloadLength),
    identification: ipv4.identification,
    dontFragment: ipv4.dontFragment,
    ttl: ipv4.ttl,
    typeOfService: ipv4.typeOfService,
    destinationMac: MacAddress.fromWords(ethernet.destinationHigh, ethernet.destinationLow).toString(),
    sourceMac: MacAddress.fromWords(ethernet.sourceHigh, ethernet.sourceLow).toString(),
    vlanId: ethernet.vlanId,
    priority: ethernet.priority,
    timestampValue: tcp.timestampValue,
    hasTimestamp: tcp.hasTimestamp,
  };
}

export function neighborState(
  options: { vlanId?: number; source?: Uint8Array; destination?: MacAddress; delta?: number } = {},
): NeighborOffloadState {
  const constant = new NeighborConstantState();
  constant.vlanId = options.vlanId ?? 0;
  constant.dlSourceAddress = options.source ?? null;
  const cached = new NeighborCachedState((options.destination ?? REMOTE.mac).bytes.slice());
  cached.hostReachabilityDelta = options.delta ?? 0;
  const delegated = new NeighborDelegatedState();
  delegated.nicReachabilityDelta = options.delta ?? 0;
  return new NeighborOffloadState(constant, cached, delegated);
}

export function pathState(
  options: { source?: IpAddress; destination?: IpAddress; mtu?: number } = {},
): PathOffloadState {
  return new PathOffloadState(
    new PathConstantState(
      (options.source ?? LOCAL.address).bytes.slice(),
      (options.destination ?? REMOTE.address).bytes.slice(),
    ),
    new PathCachedState(options.mtu ?? 1500),
    new PathDelegatedState(),
  );
}

/** An established connection with nothing in flight; `change` adjusts it. */
export function tcpState(
  change: (
    state: TcpOffloadState & { constant: TcpConstantState; cached: TcpCachedState; delegated: TcpDelegatedState },
  ) => void = () => {},
): TcpOffloadState {
  const constant = new TcpConstantState();
  constant.localPort = LOCAL.port;
  constant.remotePort = REMOTE.port;
  constant.remoteMss = 1460;
  const cached = new TcpCachedState();
  cached.flags = 0;
  const d = new TcpDelegatedState();
  d.state = TcpState.ESTABLISHED;
  d.rcvNxt = RCV;
  d.rcvWnd = 65535;
  d.sndUna = SND;
  d.sndNxt = SND;
  d.sndMax = SND;
  d.sndWnd = 65535;
  d.maxSndWnd = 65535;
  d.sendWl1 = RCV;
  d.cWnd = 14600;
  d.sRtt = 80;
  d.rttVar = 20;
  const state = new TcpOffloadState(constant, cached, d) as Parameters<typeof change>[0];
  change(state);
  return state;
}

export interface OffloadedTree {
  readonly neighbor: NdisOffloadHandle;
  readonly path: NdisOffloadHandle;
  readonly tcp: NdisOffloadHandle;
  readonly root: OffloadBlockList;
  readonly tcpBlock: OffloadBlockList;
}

/** Builds neighbor ▸ path ▸ connection, all new. */
export function newTree(
  tcp: TcpOffloadState = tcpState(),
  path: PathOffloadState = pathState(),
  neighbor: NeighborOffloadState = neighborState(),
): OffloadedTree {
  const handles = { neighbor: new NdisOffloadHandle(), path: new NdisOffloadHandle(), tcp: new NdisOffloadHandle() };
  const root = newOffload(handles.neighbor, OffloadStateType.NEIGHBOR, neighbor);
  const pathBlock = newOffload(handles.path, OffloadStateType.IP4, path);
  const tcpBlock = newOffload(handles.tcp, OffloadStateType.TCP, tcp);
  root.dependentBlockList = pathBlock;
  pathBlock.dependentBlockList = tcpBlock;
  return { ...handles, root, tcpBlock };
}

/** Puts send data into the block of a connection (INIT-24). */
export function handOverSends(block: OffloadBlockList, lists: NetBufferList[]): void {
  const { state } = block;
  if (state?.kind !== 'tcp') throw new Error('not a connection');
  for (let index = 0; index < lists.length; index += 1) lists[index].next = lists[index + 1] ?? null;
  block.netBufferListChain = lists[0];
  state.sendDataHead = lists[0];
  state.sendDataTail = lists[lists.length - 1];
}

/** A bench with one connection offloaded; the log is empty. */
export function offloaded(
  options: Partial<SoftwareAdapterOptions> = {},
  tcp: TcpOffloadState = tcpState(),
  path?: PathOffloadState,
  neighbor?: NeighborOffloadState,
): { bench: Bench; tree: OffloadedTree } {
  const bench = new Bench(options);
  const tree = newTree(tcp, path, neighbor);
  bench.initiate(tree.root);
  const [line] = bench.takeLog();
  if (line !== 'initiate SUCCESS') throw new Error(`the offload failed: ${line}`);
  return { bench, tree };
}
