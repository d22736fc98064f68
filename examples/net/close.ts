/** Ends what a test has opened. */
import { afterEach } from 'vitest';

/** Listens on any port of the host, and answers which one. Closed after the test. */
export async function listen(server: {
  listen(port: number, callback: () => void): unknown;
  address(): unknown;
  close(): unknown;
}): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, resolve));
  afterwards(() => server.close());
  return (server.address() as { port: number }).port;
}

const actions: (() => void)[] = [];

/** Has `action` done when the test is over. */
export function afterwards(action: () => void): void {
  actions.push(action);
}

afterEach(() => {
  for (const action of actions.splice(0).reverse()) action();
});
