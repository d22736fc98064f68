import type { Server } from 'node:http';

/** A `http.Server` that listens nowhere yet. */
export function createTestServer(): Server;
