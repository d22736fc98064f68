/** Errors as Node's own sockets give them: with `code`, `syscall` and the addresses. */

/** Sentences for the codes that this stack gives. */
const MESSAGES: Readonly<Record<string, string>> = {
  ECONNRESET: 'the peer reset the connection',
  ETIMEDOUT: 'the peer did not answer in time',
  ECONNREFUSED: 'the peer refused the connection',
  ECONNABORTED: 'the connection was aborted',
  EHOSTUNREACH: 'no way to the peer was found',
  EADDRINUSE: 'the port is already in use',
  EADDRNOTAVAIL: 'every local port towards this peer is in use',
  ERR_SERVER_ALREADY_LISTEN: 'the server listens already',
  ERR_SERVER_NOT_RUNNING: 'the server does not listen',
  EPIPE: 'the connection is closed for writing',
};

/** An error of a socket or server. `code` is stable; the message is for people. */
export class SocketError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly address: string | undefined;
  readonly port: number | undefined;

  constructor(code: string, syscall: string, address?: string, port?: number) {
    const where = address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${port}`}`;
    super(`${syscall} ${code}${where}: ${MESSAGES[code] ?? 'the call failed'}`);
    this.name = 'SocketError';
    this.code = code;
    this.syscall = syscall;
    this.address = address;
    this.port = port;
  }
}
