/**
 * `chimney/net`: what `node:net` exports, over the default host (`setDefaultHost`), so that a program changes its import
 * and nothing else. `createNet(host)` gives the same for a host of its own.
 */
import { createNet } from './create-net.ts';
import { getDefaultHost } from './default-host.ts';

const net = createNet(getDefaultHost);

export default net;

export const {
  Socket,
  Stream,
  Server,
  connect,
  createConnection,
  createServer,
  isIP,
  isIPv4,
  isIPv6,
  BlockList,
  SocketAddress,
  getDefaultAutoSelectFamily,
  setDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
} = net;

export { adopt } from './adopt.ts';
export { createNet, type Net } from './create-net.ts';
export { createLoopbackHost, getDefaultHost, setDefaultHost } from './default-host.ts';
