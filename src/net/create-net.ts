/** The whole of `node:net`, over a host: what `createNet` makes can stand wherever `node:net` stood. */
import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { Host } from '../node/host.ts';
import { normalizeArguments } from './arguments.ts';
import { autoSelectDefaults, LEAST_ATTEMPT_TIMEOUT } from './connecting.ts';
import { Server as HostServer, type ServerOptions } from './server.ts';
import { Socket as HostSocket, publishClient } from './socket.ts';
import type { ConnectOptions, SocketOptions } from './socket-options.ts';
import { validateBoolean, validateInt32 } from './validate.ts';

/** As the constructor of `net.Socket`, which may be called without `new`. */
export interface SocketConstructor {
  new (options?: SocketOptions | number): HostSocket;
  (options?: SocketOptions | number): HostSocket;
  readonly prototype: HostSocket;
}

/** As the constructor of `net.Server`, which may be called without `new`. */
export interface ServerConstructor {
  new (
    options?: ServerOptions | ((socket: HostSocket) => void) | null,
    listener?: (socket: HostSocket) => void,
  ): HostServer;
  (
    options?: ServerOptions | ((socket: HostSocket) => void) | null,
    listener?: (socket: HostSocket) => void,
  ): HostServer;
  readonly prototype: HostServer;
}

/** The forms of `connect`. */
export interface Connect {
  (options: ConnectOptions, listener?: () => void): HostSocket;
  (port: number | string, host: string, listener?: () => void): HostSocket;
  (port: number | string, listener?: () => void): HostSocket;
  (...values: readonly unknown[]): HostSocket;
}

/** What `node:net` exports, over one host. */
export interface Net {
  readonly Socket: SocketConstructor;
  /** The old name of `Socket`. */
  readonly Stream: SocketConstructor;
  readonly Server: ServerConstructor;
  readonly connect: Connect;
  readonly createConnection: Connect;
  createServer(
    options?: ServerOptions | ((socket: HostSocket) => void) | null,
    listener?: (socket: HostSocket) => void,
  ): HostServer;
  readonly isIP: typeof isIP;
  readonly isIPv4: typeof isIPv4;
  readonly isIPv6: typeof isIPv6;
  readonly BlockList: typeof BlockList;
  readonly SocketAddress: typeof SocketAddress;
  getDefaultAutoSelectFamily(): boolean;
  setDefaultAutoSelectFamily(value: boolean): void;
  /** Milliseconds. */
  getDefaultAutoSelectFamilyAttemptTimeout(): number;
  setDefaultAutoSelectFamilyAttemptTimeout(value: number): void;
  /** Reads the argument forms of `connect` and `listen`. */
  _normalizeArgs(values: readonly unknown[]): [object, (() => void) | null];
  _createServerHandle(): never;
  _setSimultaneousAccepts(): void;
}

/** @param source the host, or a function that is asked for it with each socket and server */
export function createNet(source: Host | (() => Host)): Net {
  const host = typeof source === 'function' ? source : () => source;
  class Socket extends HostSocket {
    constructor(options?: SocketOptions | number) {
      super(host(), options ?? {});
    }
  }
  class Server extends HostServer {
    constructor(
      options?: ServerOptions | ((socket: HostSocket) => void) | null,
      listener?: (socket: HostSocket) => void,
    ) {
      super(host(), options, listener, (accepted) => new SocketFunction(accepted));
    }
  }
  const SocketFunction = callable(Socket) as unknown as SocketConstructor;
  const ServerFunction = callable(Server) as unknown as ServerConstructor;
  const connect = ((...values: unknown[]): HostSocket => {
    const normalized = normalizeArguments<ConnectOptions>(values);
    const [options] = normalized;
    const socket = new SocketFunction(options);
    publishClient(socket);
    if (options.timeout) socket.setTimeout(options.timeout);
    return socket.connect(normalized);
  }) as Connect;
  return {
    Socket: SocketFunction,
    Stream: SocketFunction,
    Server: ServerFunction,
    connect,
    createConnection: connect,
    createServer: (options, listener) => new ServerFunction(options, listener),
    isIP,
    isIPv4,
    isIPv6,
    BlockList,
    SocketAddress,
    ...autoSelectFunctions,
    _normalizeArgs: normalizeArguments,
    _createServerHandle(): never {
      throw new Error('This network has no handles of the operating system: call listen on a Server.');
    },
    _setSimultaneousAccepts,
  };
}

const autoSelectFunctions = {
  getDefaultAutoSelectFamily: (): boolean => autoSelectDefaults.family,
  setDefaultAutoSelectFamily(value: boolean): void {
    validateBoolean(value, 'value');
    autoSelectDefaults.family = value;
  },
  getDefaultAutoSelectFamilyAttemptTimeout: (): number => autoSelectDefaults.attemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout(value: number): void {
    validateInt32(value, 'value', 1);
    autoSelectDefaults.attemptTimeout = Math.max(LEAST_ATTEMPT_TIMEOUT, value);
  },
};

let simultaneousAcceptsWarned = false;

/** Has no effect, as everywhere but on Windows, and is deprecated there too. */
function _setSimultaneousAccepts(): void {
  if (simultaneousAcceptsWarned) return;
  simultaneousAcceptsWarned = true;
  process.emitWarning(
    'net._setSimultaneousAccepts() is deprecated and will be removed.',
    'DeprecationWarning',
    'DEP0121',
  );
}

/**
 * The class, callable without `new` as the functions of `node:net` are. The proxy itself never is `new.target`: V8 makes a
 * hidden class of its own for each object that is constructed for a proxy.
 */
function callable<C extends new (...values: never[]) => object>(base: C): C {
  const proxy: C = new Proxy(base, {
    apply: (target, _self, values) => Reflect.construct(target, values),
    construct: (target, values, newTarget) =>
      Reflect.construct(target, values, newTarget === proxy ? target : newTarget),
  });
  base.prototype.constructor = proxy;
  return proxy;
}
