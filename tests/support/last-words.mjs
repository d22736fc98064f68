/**
 * A process of its own: connects over a stream link, writes, closes its socket at once, and has nothing else to do.
 * Arguments: path of the link, address and port of the server, bytes to write.
 */
import { createNet } from '../../dist/net/index.js';
import { Host, NodeRuntime, StreamLink } from '../../dist/node/index.js';

const [path, address, port, length] = process.argv.slice(2);
const link = await StreamLink.open({ path, role: 'connect' });
link.unref();
const host = new Host({
  name: 'client',
  runtime: new NodeRuntime(),
  link,
  address: '192.0.2.2',
  prefixLength: 24,
  macAddress: '02:00:00:00:00:02',
});
const socket = createNet(host).connect({ host: address, port: Number(port) }, () => {
  socket.write(Buffer.alloc(Number(length), 'x'));
  socket.destroy();
});
