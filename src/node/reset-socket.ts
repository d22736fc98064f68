import type { Socket } from 'node:net';

/**
 * Resets a socket of Node's and destroys it; `close` always follows.
 *
 * While the FIN that `end` has asked for is on its way to the kernel, libuv refuses a reset (`uv_tcp_close_reset`, EINVAL),
 * and Node then reports an error and never closes. The socket, all of whose bytes the kernel has, is then destroyed behind its FIN.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && socket.writableLength === 0 && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
