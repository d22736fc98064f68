/** From what `connect` was given to an open connection: names are looked up, and addresses of both families tried. */
import { ADDRCONFIG, type LookupAddress, lookup as systemLookup } from 'node:dns';
import { getDefaultAutoSelectFamily, getDefaultAutoSelectFamilyAttemptTimeout, isIP } from 'node:net';
import {
  addressBlocked,
  connectAttemptsError,
  invalidAddressFamily,
  invalidArgType,
  invalidIpAddress,
  SocketError,
  stateError,
} from './errors.ts';
import type { Endpoint } from './network.ts';
import type { Socket } from './socket.ts';
import type { TcpHandle } from './tcp-handle.ts';
import { validateBoolean, validateFunction, validateInt32, validateNumber, validatePort } from './validate.ts';

/** What a lookup function is asked: `family` 0, 4 or 6, `all` for every address. */
export interface LookupRequest {
  family: number | undefined;
  hints: number;
  all?: boolean;
}

/** As `dns.lookup`. With `all` the addresses come as one array. */
export type LookupFunction = (
  hostname: string,
  options: LookupRequest,
  callback: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
) => void;

/** Where to connect to, as `node:net` takes it. */
export interface ConnectTarget {
  /** Name or address; `localhost` when it is left out. */
  readonly host?: string;
  readonly port?: number | string;
  readonly localAddress?: string;
  readonly localPort?: number;
  /** 4 or 6; both when it is left out. */
  readonly family?: number | string;
  /** Flags of `dns.lookup`. */
  readonly hints?: number;
  /** Instead of `dns.lookup`. */
  readonly lookup?: LookupFunction | null;
  /** Try the addresses of both families, one after the other (RFC 8305). */
  readonly autoSelectFamily?: boolean;
  /** Time for one attempt, milliseconds, at least 10. */
  readonly autoSelectFamilyAttemptTimeout?: number;
}

/** The defaults of `autoSelectFamily` and its time, which the command line says and a program may change. */
export const autoSelectDefaults = {
  family: getDefaultAutoSelectFamily(),
  attemptTimeout: getDefaultAutoSelectFamilyAttemptTimeout(),
};

/** An attempt shorter than this, milliseconds, is none. */
export const LEAST_ATTEMPT_TIMEOUT = 10;

/** What was chosen for one `connect`. */
interface Plan {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly autoSelect: boolean;
  readonly attemptTimeout: number;
  readonly target: ConnectTarget;
}

/** Connects `socket`, which has a handle and says that it is connecting. @throws what `node:net` throws for wrong options */
export function lookupAndConnect(socket: Socket, target: ConnectTarget): void {
  const plan = planOf(target);
  const family = isIP(plan.host);
  if (family !== 0) {
    process.nextTick(() => {
      if (socket.connecting) attempt(socket, plan, { address: plan.host, family });
    });
    return;
  }
  if (target.lookup !== undefined && target.lookup !== null) validateFunction(target.lookup, 'options.lookup');
  const wanted = familyNumber(target.family);
  const request: LookupRequest = { family: wanted as number | undefined, hints: target.hints || 0 };
  if (wanted !== 4 && wanted !== 6 && request.hints === 0) request.hints = ADDRCONFIG;
  socket._host = plan.host;
  const lookup = target.lookup ?? (systemLookup as LookupFunction);
  if (wanted !== 4 && wanted !== 6 && !plan.localAddress && plan.autoSelect) {
    request.all = true;
    lookupAll(socket, plan, lookup, request);
  } else lookupOne(socket, plan, lookup, request);
}

function planOf(target: ConnectTarget): Plan {
  const { localAddress, localPort, port } = target;
  if (localAddress && isIP(localAddress) === 0) throw invalidIpAddress(localAddress);
  if (localPort) validateNumber(localPort, 'options.localPort');
  if (port !== undefined) {
    if (typeof port !== 'number' && typeof port !== 'string') {
      throw invalidArgType('options.port', ['number', 'string'], port);
    }
    validatePort(port);
  }
  let autoSelect: unknown = target.autoSelectFamily;
  if (autoSelect === undefined || autoSelect === null) autoSelect = autoSelectDefaults.family;
  validateBoolean(autoSelect, 'options.autoSelectFamily');
  let attemptTimeout: unknown = target.autoSelectFamilyAttemptTimeout;
  if (attemptTimeout === undefined || attemptTimeout === null) attemptTimeout = autoSelectDefaults.attemptTimeout;
  validateInt32(attemptTimeout, 'options.autoSelectFamilyAttemptTimeout', 1);
  return {
    host: target.host || 'localhost',
    port: Number(port) | 0,
    localAddress: localAddress || undefined,
    localPort: localPort || undefined,
    autoSelect,
    attemptTimeout: Math.max(LEAST_ATTEMPT_TIMEOUT, attemptTimeout),
    target,
  };
}

function familyNumber(family: number | string | undefined): number | string | undefined {
  if (family === 'IPv4') return 4;
  return family === 'IPv6' ? 6 : family;
}

function lookupOne(socket: Socket, plan: Plan, lookup: LookupFunction, request: LookupRequest): void {
  lookup(plan.host, request, (error, address, family) => {
    socket.emit('lookup', error, address, family, plan.host);
    // It may have been destroyed meanwhile.
    if (!socket.connecting) return;
    const wrong = error ?? wrongAddress(plan, address, family);
    if (wrong !== null) {
      // The first listeners may not be there yet.
      process.nextTick(() => socket.destroy(wrong));
      return;
    }
    socket._unrefTimer();
    attempt(socket, plan, { address: address as string, family: family as number });
  });
}

function wrongAddress(plan: Plan, address: unknown, family: unknown): Error | null {
  if (typeof address !== 'string' || isIP(address) === 0) return invalidIpAddress(address);
  if (family !== 4 && family !== 6) return invalidAddressFamily(family, plan.target.host, plan.target.port);
  return null;
}

function lookupAll(socket: Socket, plan: Plan, lookup: LookupFunction, request: LookupRequest): void {
  lookup(plan.host, request, (error, answer) => {
    if (!socket.connecting) return;
    if (error) {
      socket.emit('lookup', error, undefined, undefined, plan.host);
      process.nextTick(() => socket.destroy(error));
      return;
    }
    const addresses = answer as LookupAddress[];
    for (const { address, family } of addresses) {
      socket.emit('lookup', null, address, family, plan.host);
      if (!socket.connecting) return;
    }
    const candidates = inOrder(addresses);
    if (candidates.length === 0) {
      const wrong = wrongAddress(plan, addresses[0]?.address, addresses[0]?.family);
      if (wrong !== null) process.nextTick(() => socket.destroy(wrong));
      return;
    }
    socket._unrefTimer();
    if (candidates.length === 1) attempt(socket, plan, candidates[0]);
    else {
      socket.autoSelectFamilyAttemptedAddresses = [];
      new Attempts(socket, plan, candidates).next();
    }
  });
}

/** Usable addresses, each once, the families taking turns; the family of the first one begins (RFC 8305 section 4). */
function inOrder(addresses: readonly LookupAddress[]): LookupAddress[] {
  const groups: [LookupAddress[], LookupAddress[]] = [[], []];
  let first = 0;
  for (const candidate of addresses) {
    const { address, family } = candidate;
    if (isIP(address) === 0 || (family !== 4 && family !== 6)) continue;
    if (first === 0) first = family;
    const group = groups[family === first ? 0 : 1];
    if (!group.some((other) => other.address === address)) group.push(candidate);
  }
  const ordered: LookupAddress[] = [];
  for (let i = 0; i < Math.max(groups[0].length, groups[1].length); i++) {
    for (const group of groups) if (i < group.length) ordered.push(group[i]);
  }
  return ordered;
}

/** Why an address is not tried: the socket's block list has it. Null when nothing is against it. */
function blocked(socket: Socket, { address, family }: LookupAddress): (Error & { code: string }) | null {
  return socket.blockList?.check(address, family === 6 ? 'ipv6' : 'ipv4') === true ? addressBlocked(address) : null;
}

function familyName(family: number): 'IPv4' | 'IPv6' {
  return family === 6 ? 'IPv6' : 'IPv4';
}

/** Binds and connects the socket's present handle. Answers the error of what was refused at once. */
function start(
  socket: Socket,
  plan: Plan,
  candidate: LookupAddress,
  localAddress: string | undefined,
  done: (error: SocketError | null, handle: TcpHandle) => void,
): SocketError | null {
  const { address, family } = candidate;
  const { port, localPort } = plan;
  const handle = socket._handle;
  if (handle === null) return null;
  let bound: Endpoint | null = null;
  if (localAddress !== undefined || localPort !== undefined) {
    const at = localAddress ?? (family === 6 ? '::' : '0.0.0.0');
    bound = { address: at, family: familyName(family), port: localPort ?? 0 };
    const refused = isIP(at) === family ? handle.bind(bound) : 'EINVAL';
    if (refused !== null) return new SocketError(refused, 'bind', at, localPort);
  }
  socket.emit('connectionAttempt', address, port, family);
  if (!socket.connecting) return null;
  const code = handle.connect({ address, family: familyName(family), port }, (failure) =>
    done(failure === null ? null : connectError(failure, plan, address, localAddress), handle),
  );
  return code === null ? null : connectError(code, plan, address, localAddress);
}

function connectError(code: string, plan: Plan, address: string, localAddress: string | undefined): SocketError {
  const { port, localPort } = plan;
  if (localAddress === undefined || localPort === undefined) return new SocketError(code, 'connect', address, port);
  const error = new SocketError(code, 'connect', address, port, `${localAddress}:${localPort}`);
  error.localAddress = localAddress;
  error.localPort = localPort;
  return error;
}

/** One address, one attempt. */
function attempt(socket: Socket, plan: Plan, candidate: LookupAddress): void {
  const refusal = blocked(socket, candidate);
  if (refusal !== null) {
    socket.emit('connectionAttempt', candidate.address, plan.port, candidate.family);
    socket.destroy(refusal);
    return;
  }
  const refused = start(socket, plan, candidate, plan.localAddress, (error) => {
    if (socket.destroyed) return;
    if (error === null) socket._connected();
    else {
      socket.connecting = false;
      socket.emit('connectionAttemptFailed', candidate.address, plan.port, candidate.family, error);
      socket.destroy(error);
    }
  });
  if (refused !== null) socket.destroy(refused);
}

/** Several addresses, one after the other. */
class Attempts {
  private readonly socket: Socket;
  private readonly plan: Plan;
  private readonly candidates: readonly LookupAddress[];
  private readonly errors: Error[] = [];
  private current = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(socket: Socket, plan: Plan, candidates: readonly LookupAddress[]) {
    this.socket = socket;
    this.plan = plan;
    this.candidates = candidates;
  }

  next(): void {
    const { socket, plan, candidates, errors } = this;
    if (this.timer !== null) clearTimeout(this.timer);
    if (!socket.connecting) return;
    if (this.current === candidates.length) {
      socket.destroy(errors.length === 0 ? stateError('ERR_SOCKET_CONNECTION_TIMEOUT') : connectAttemptsError(errors));
      return;
    }
    const number = this.current++;
    const candidate = candidates[number];
    const refusal = blocked(socket, candidate);
    if (refusal !== null) {
      this.failed(candidate, refusal);
      return;
    }
    if (number > 0) socket._replaceHandle();
    socket.autoSelectFamilyAttemptedAddresses?.push(`${candidate.address}:${plan.port}`);
    const refused = start(socket, plan, candidate, undefined, (error, handle) => this.done(number, error, handle));
    if (refused !== null) {
      this.failed(candidate, refused);
      return;
    }
    const handle = socket._handle;
    if (number < candidates.length - 1 && handle !== null && socket.connecting) {
      this.timer = setTimeout(() => this.timedOut(candidate, handle), plan.attemptTimeout);
    }
  }

  private done(number: number, error: SocketError | null, handle: TcpHandle): void {
    if (this.timer !== null) clearTimeout(this.timer);
    if (error !== null) {
      this.failed(this.candidates[number], error);
    } else if (number !== this.current - 1 || this.socket.destroyed) {
      handle.close();
    } else this.socket._connected();
  }

  private failed(candidate: LookupAddress, error: Error): void {
    this.errors.push(error);
    this.socket.emit('connectionAttemptFailed', candidate.address, this.plan.port, candidate.family, error);
    if (this.socket.connecting) this.next();
  }

  private timedOut(candidate: LookupAddress, handle: TcpHandle): void {
    const { socket, plan } = this;
    socket.emit('connectionAttemptTimeout', candidate.address, plan.port, candidate.family);
    this.errors.push(connectError('ETIMEDOUT', plan, candidate.address, undefined));
    handle.close();
    if (socket.connecting) this.next();
  }
}
