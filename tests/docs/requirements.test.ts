/** The marks of the requirements: a MUST that loses its code or its test is noticed here. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/requirements.mjs', import.meta.url));

it('every requirement that is taken is marked beside code and beside a test, and every mark means one', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--marks'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('RFC 9293: MUST 69 of 69');
});
