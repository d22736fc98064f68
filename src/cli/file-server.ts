/** A small HTTP file server: downloads with ranges, listings, uploads with PUT. */
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import send from 'send';

/** An HTTP server for the files below `directory`. It listens nowhere: connections are given to it. */
export function createFileServer(directory: string): Server {
  return createServer((request, response) => {
    handle(directory, request, response).catch((error: unknown) => fail(response, error));
  });
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
  const temporary = join(parent, `.${name}.${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(parent, { recursive: true });
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
