/** Directories that vanish with the test that made them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An empty directory; called from within a test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'chimney-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
