/** A small HTTP file server: downloads with ranges, listings, uploads with PUT. */
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import send from 'send';

/** An HTTP server that listens nowhere: connections are given to it. */
export interface FileServer {
  /** Serves requests on a connection until it ends. */
  serve(connection: Duplex): void;
  /** Ends idle connections now, and the others after the response that they are sending. */
  drain(): void;
}

/** Serves the files below `directory`. */
export function createFileServer(directory: string): FileServer {
  const connections = new Set<Duplex>();
  const busy = new Set<Duplex>();
  let draining = false;
  const http = createServer((request, response) => {
    const connection: Duplex = request.socket;
    busy.add(connection);
    response.once('close', () => {
      busy.delete(connection);
      if (draining) connection.end();
    });
    handle(directory, request, response).catch((error: unknown) => fail(response, error));
  });
  return {
    serve(connection) {
      connections.add(connection);
      connection.once('close', () => connections.delete(connection));
      http.emit('connection', connection);
    },
    drain() {
      draining = true;
      for (const connection of connections) if (!busy.has(connection)) connection.end();
    },
  };
}

async function handle(directory: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodePath(request.url ?? '/');
  if (path === null) return answer(response, 400, 'The path of the request cannot be decoded.');
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return download(directory, path, request, response);
    case 'PUT':
      return upload(directory, path, request, response);
    default:
      response.setHeader('allow', 'GET, HEAD, PUT');
      return answer(response, 405, `${request.method} is not offered here: use GET, HEAD or PUT.`);
  }
}

function download(directory: string, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((done) => {
    response.once('close', done);
    send(request, encodeURI(path), { root: directory, dotfiles: 'ignore', index: 'index.html' })
      .on('directory', () => {
        list(directory, path, response).catch((error: unknown) => fail(response, error));
      })
      .on('error', (error: { status?: number }) => {
        const status = error.status ?? 500;
        if (status === 404 && path.endsWith('/'))
          list(directory, path, response).catch((e: unknown) => fail(response, e));
        else
          answer(
            response,
            status,
            status === 404 ? `There is no ${path} here.` : `The file cannot be sent (${status}).`,
          );
      })
      .pipe(response);
  });
}

/** Lists a directory, one name a line, as text: readable for people and for scripts. */
async function list(directory: string, path: string, response: ServerResponse): Promise<void> {
  const target = await inside(directory, path);
  if (target === null) return answer(response, 404, `There is no ${path} here.`);
  const entries = await readdir(target, { withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.name.startsWith('.'))
    .map((entry) => entry.name + (entry.isDirectory() ? '/' : ''));
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(names.sort().join('\n') + (names.length > 0 ? '\n' : ''));
}

/** Stores the body of a PUT. The file appears under its name only when it is complete. */
async function upload(
  directory: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const name = basename(path);
  const parent = name === '' || name.startsWith('.') ? null : await inside(directory, dirname(path));
  if (parent === null)
    return answer(response, 403, `${path} cannot be written: name a file in a directory that is here.`);
  const stored = await stat(join(parent, name)).catch(() => null);
  if (stored?.isDirectory()) return answer(response, 409, `${path} is a directory: name a file.`);
  const temporary = join(parent, `.${name}.${randomBytes(6).toString('hex')}`);
  try {
    await pipeline(request, createWriteStream(temporary, { flags: 'wx' }));
    await rename(temporary, join(parent, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  answer(response, 201, `${path} was stored.`);
}

/** The directory that `path` names below `directory`, symbolic links resolved; null when it is elsewhere or missing. */
async function inside(directory: string, path: string): Promise<string | null> {
  try {
    const root = await realpath(directory);
    const target = await realpath(resolve(root, `.${path}`));
    if (target !== root && !target.startsWith(root + sep)) return null;
    return (await stat(target)).isDirectory() ? target : null;
  } catch {
    return null;
  }
}

function decodePath(url: string): string | null {
  try {
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
    return path.includes('\0') ? null : path;
  } catch {
    return null;
  }
}

function answer(response: ServerResponse, status: number, sentence: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${sentence}\n`);
}

function fail(response: ServerResponse, error: unknown): void {
  answer(response, 500, `The request failed: ${(error as Error).message}`);
}
