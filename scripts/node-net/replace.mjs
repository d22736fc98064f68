/**
 * Loaded with `node --import` before a test of Node's own: `net` and `node:net` are `chimney/net` from then on, for
 * `require` and `import`. The host is one without a network: the tests talk to localhost.
 */
import Module, { register } from 'node:module';
import net from '../../dist/net/drop-in.js';

const names = new Set(['net', 'node:net']);
const load = Module._load;

globalThis[Symbol.for('chimney.net')] = net;

Module._load = function (request, ...rest) {
  return names.has(request) ? net : load.call(this, request, ...rest);
};

const exported = Object.keys(net)
  .map((name) => `export const ${name} = net[${JSON.stringify(name)}];`)
  .join('\n');
const source = `const net = globalThis[Symbol.for('chimney.net')];\nexport default net;\n${exported}`;
const url = `data:text/javascript,${encodeURIComponent(source)}`;
const hooks = `export async function resolve(specifier, context, next) {
  const isNet = specifier === 'net' || specifier === 'node:net';
  return isNet ? { url: ${JSON.stringify(url)}, shortCircuit: true } : next(specifier, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
