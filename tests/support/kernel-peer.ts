/** Connections whose other end is in the kernel of a namespace: what `kernel-peer.mjs` does, for tests. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EndNews, EndOutcome, EndPlan } from './connection-end.mjs';
import type { Namespace } from './namespace.ts';

const SCRIPT = join(import.meta.dirname, 'kernel-peer.mjs');

type News = EndNews | 'done' | 'listening';

/** What is to come of one end, and how to wait for it. */
export class KernelEnd {
  readonly port: number;
  private readonly peer: KernelPeer;

  constructor(peer: KernelPeer, port: number) {
    this.peer = peer;
    this.port = port;
  }

  /** Waits for what the end tells of itself. */
  said(news: EndNews): Promise<unknown> {
    return this.peer.heard(this.port, news);
  }

  get done(): Promise<EndOutcome> {
    return this.peer.heard(this.port, 'done') as Promise<EndOutcome>;
  }

  go(): void {
    this.peer.command({ do: 'go', port: this.port });
  }
}

/** A process in a namespace that holds the kernel's ends of connections; it ends with the namespace. */
export class KernelPeer {
  private readonly child: ChildProcess;
  private readonly news = new Map<string, Promise<unknown>>();
  private readonly resolvers = new Map<string, (value: unknown) => void>();

  constructor(namespace: Namespace) {
    this.child = namespace.start(process.execPath, [SCRIPT]);
    this.child.stdin?.on('error', () => {});
    this.child.stderr?.pipe(process.stderr);
    createInterface(this.child.stdout as NodeJS.ReadableStream).on('line', (line) => {
      const { port, is, outcome } = JSON.parse(line);
      void this.heard(port, is);
      this.resolvers.get(`${port} ${is}`)?.(outcome);
    });
  }

  /** Listens on `port` for one connection; resolves when it may be opened. */
  async accept(port: number, plan: EndPlan): Promise<KernelEnd> {
    this.command({ do: 'accept', port, plan });
    await this.heard(port, 'listening');
    return new KernelEnd(this, port);
  }

  /** Opens a connection to `port`. */
  connect(port: number, address: string, plan: EndPlan): KernelEnd {
    this.command({ do: 'connect', port, address, plan });
    return new KernelEnd(this, port);
  }

  /** @internal */
  command(command: object): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** @internal */
  heard(port: number, news: News): Promise<unknown> {
    const key = `${port} ${news}`;
    let promise = this.news.get(key);
    if (promise === undefined) {
      promise = new Promise((resolve) => this.resolvers.set(key, resolve));
      this.news.set(key, promise);
    }
    return promise;
  }
}
