/**
 * A gateway from loopback to a host stack: real programs connect to a port of this machine, and the gateway carries
 * their bytes over a connection of its own stack to a server on another one, with back-pressure both ways.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { CloseReason, Connection } from '../host/index.ts';
import type { Host } from './host.ts';
import { resetSocket } from './reset-socket.ts';

/** Where the gateway listens and where it leads. */
export interface GatewayOptions {
  /** The host whose stack opens the connections. */
  readonly host: Host;
  /** Address and port of the server behind the link. */
  readonly serverAddress: string;
  readonly serverPort: number;
  /** Address to listen on; loopback unless the user says otherwise. */
  readonly listenAddress: string;
  /** Port to listen on; 0 lets the system choose. */
  readonly listenPort: number;
}

export class Gateway {
  private readonly options: GatewayOptions;
  private readonly server: Server;
  private readonly relays = new Set<Relay>();
  private whenIdle: (() => void) | null = null;
  /** Clients that were reset because no port was free for a connection to the server. */
  refused = 0;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.accept(socket));
  }

  /** Starts to listen. Resolves to the port; rejects with Node's error, for example EADDRINUSE. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.options.listenPort, this.options.listenAddress, () => {
        this.server.off('error', reject);
        this.options.host.runtime.ref();
        const address = this.server.address();
        resolve(address !== null && typeof address === 'object' ? address.port : this.options.listenPort);
      });
    });
  }

  /** Connections that are being relayed. */
  get active(): number {
    return this.relays.size;
  }

  /**
   * Stops accepting and resolves when the last relay is done; what is still open after `graceMilliseconds` is reset.
   */
  close(graceMilliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const relay of this.relays) relay.reset();
      }, graceMilliseconds);
      this.server.close((error) => {
        clearTimeout(timer);
        // An error says that it did not listen: then nothing is to be given up.
        if (error === undefined) this.options.host.runtime.unref();
        if (this.relays.size === 0) resolve();
        else this.whenIdle = resolve;
      });
    });
  }

  private accept(socket: Socket): void {
    const { host, serverAddress, serverPort } = this.options;
    let relay: Relay;
    try {
      relay = new Relay(socket, (handlers) => host.open(serverAddress, serverPort, handlers));
    } catch {
      // Every port towards the server is in use: the client learns it as from a machine that has no room.
      this.refused++;
      resetSocket(socket);
      return;
    }
    this.relays.add(relay);
    socket.once('close', () => {
      this.relays.delete(relay);
      if (this.relays.size === 0) this.whenIdle?.();
    });
  }
}

/** One client and its connection behind the link. */
class Relay {
  private readonly socket: Socket;
  private readonly connection: Connection;

  constructor(socket: Socket, open: (handlers: Connection['handlers']) => Connection) {
    this.socket = socket;
    socket.setNoDelay(true);
    this.connection = open({
      readable: () => this.toClient(),
      drained: () => socket.resume(),
      peerClosed: () => socket.end(),
      closed: (_connection, reason) => this.closed(reason),
    });
    socket.on('data', (bytes) => {
      if (!this.connection.send(bytes)) socket.pause();
    });
    socket.on('drain', () => this.toClient());
    socket.on('end', () => this.connection.shutdown());
    // An error is always followed by `close`, where the other side learns of it.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.connection.closeReason === undefined && !(socket.readableEnded && socket.writableFinished)) {
        this.connection.abort();
      }
    });
  }

  /** Ends the relay at once, both sides with a reset. */
  reset(): void {
    this.connection.abort();
    resetSocket(this.socket);
  }

  private toClient(): void {
    while (!this.socket.destroyed && !this.socket.writableNeedDrain) {
      const bytes = this.connection.read();
      if (bytes === null) return;
      this.socket.write(bytes);
    }
  }

  private closed(reason: CloseReason): void {
    if (reason !== null) resetSocket(this.socket);
    else if (!this.socket.writableEnded) this.socket.end();
  }
}
