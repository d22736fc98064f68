/**
 * An echo server that moves its connections: every 64 KiB it hands the connection to the offload target, or takes it
 * back, while the bytes keep flowing. The socket is the same object all the time, and the client notices nothing.
 *
 * With the package installed, the import reads: import { createServer, type Host } from 'chimney';
 */
import { createServer, type Host, type Server, type Socket } from '../src/index.ts';

/** Bytes echoed between two moves. */
const MOVE_EVERY = 64 * 1024;

/** Moves of all connections so far. */
export interface MoveCounts {
  down: number;
  up: number;
  refused: number;
}

/** An echo server on `host`; call `listen` on it. */
export function createEchoServer(host: Host, counts: MoveCounts): Server {
  // allowHalfOpen: a client may end its half and still read what is on its way back.
  return createServer(host, { allowHalfOpen: true }, (socket) => {
    socket.pipe(socket);
    moveWhileBytesFlow(socket, counts);
    socket.on('error', () => socket.destroy());
  });
}

function moveWhileBytesFlow(socket: Socket, counts: MoveCounts): void {
  let nextMove = MOVE_EVERY;
  let moving = false;
  socket.on('data', async () => {
    if (moving || socket.bytesRead < nextMove) return;
    nextMove = socket.bytesRead + MOVE_EVERY;
    moving = true;
    const down = socket.owner === 'host';
    // A refusal is an answer, not an error: the connection goes on where it was.
    const result = down ? await socket.offload() : await socket.upload();
    moving = false;
    if (!result.ok) counts.refused++;
    else if (down) counts.down++;
    else counts.up++;
  });
}
