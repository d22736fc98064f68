/** What a server has below it: a listening place, and the reference that keeps the process alive. */
import type { Endpoint, ListeningPlace, Network } from './network.ts';
import { TcpHandle } from './tcp-handle.ts';

export class ServerHandle {
  /** Gets each accepted connection. */
  onconnection: (error: null, handle: TcpHandle) => void;
  private readonly network: Network;
  private place: ListeningPlace | null = null;
  private wantsReference = true;
  private holdsReference = false;

  /** Made by `ServerHandle.listen`. */
  private constructor(network: Network, onConnection: (error: null, handle: TcpHandle) => void) {
    this.network = network;
    this.onconnection = onConnection;
  }

  /** Listens; `onConnection` gets each accepted connection. An errno name when that is refused. */
  static listen(
    network: Network,
    at: Endpoint,
    ipv6Only: boolean,
    backlog: number,
    onConnection: (error: null, handle: TcpHandle) => void,
  ): ServerHandle | string {
    const handle = new ServerHandle(network, onConnection);
    const place = network.listen(at, ipv6Only, backlog, (opened) =>
      handle.onconnection(null, TcpHandle.accepted(network, opened)),
    );
    if (typeof place === 'string') return place;
    handle.place = place;
    handle.holdReference();
    return handle;
  }

  sockname(): Endpoint | null {
    return this.place === null ? null : this.place.at;
  }

  ref(): void {
    this.wantsReference = true;
    this.holdReference();
  }

  unref(): void {
    this.wantsReference = false;
    this.holdReference();
  }

  close(): void {
    this.place?.close();
    this.place = null;
    this.holdReference();
  }

  private holdReference(): void {
    const wanted = this.wantsReference && this.place !== null;
    if (wanted === this.holdsReference) return;
    this.holdsReference = wanted;
    const { runtime } = this.network.host;
    if (wanted) runtime.ref();
    else runtime.unref();
  }
}
