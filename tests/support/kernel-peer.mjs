/**
 * The kernel's ends of many connections, in a process of its own. Commands come in and news go out as lines of JSON; the port
 * that one end listens on names the connection.
 */
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { ConnectionEnd } from './connection-end.mjs';

const ends = new Map();

const say = (news) => process.stdout.write(`${JSON.stringify(news)}\n`);

function run(port, socket, plan) {
  const end = new ConnectionEnd(socket, plan, (is) => say({ port, is }));
  ends.set(port, end);
  end.done.then((outcome) => {
    ends.delete(port);
    say({ port, is: 'done', outcome });
  });
}

const COMMANDS = {
  accept({ port, plan }) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      server.close();
      run(port, socket, plan);
    }).listen(port, '::', () => say({ port, is: 'listening' }));
  },
  connect({ port, address, plan }) {
    run(port, connect({ host: address, port, allowHalfOpen: true }), plan);
  },
  go({ port }) {
    ends.get(port)?.go();
  },
};

createInterface(process.stdin)
  .on('line', (line) => {
    const command = JSON.parse(line);
    COMMANDS[command.do](command);
  })
  .on('close', () => process.exit());
