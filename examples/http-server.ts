/**
 * Node's own HTTP server on connections of the host stack: they are Node streams, so `http` serves over them.
 *
 * With the package installed, the import reads: import { createServer, type Host } from 'chimney';
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Host, type Server, type Socket } from '../src/index.ts';

/**
 * An HTTP server on `host`; call `listen` on it.
 *
 * `GET /` answers with who runs the connection, `GET /offload` and `GET /upload` move it first, and `POST /` answers with
 * the body it was sent.
 */
export function createExampleHttpServer(host: Host): Server {
  const http = createHttpServer(async (request, response) => {
    // What http was given is what it hands out: the same Socket, whoever runs its connection.
    const socket = request.socket as unknown as Socket;
    if (request.method === 'POST') {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      request.pipe(response);
      return;
    }
    if (request.url === '/offload') await socket.offload();
    if (request.url === '/upload') await socket.upload();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ owner: socket.owner, moves: socket.history.length }));
  });
  return createServer(host, {}, (socket) => http.emit('connection', socket));
}
