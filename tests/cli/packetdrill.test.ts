/** `chimney packetdrill`: what it prints, and its exit codes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chimney } from '../support/cli.ts';

const PASSING = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
`;

let directory: string;
const file = (name: string): string => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'chimney-'));
  writeFileSync(file('good.pkt'), PASSING);
  writeFileSync(file('bad.pkt'), PASSING.replace('ack 1', 'ack 2'));
  writeFileSync(file('wrong.pkt'), '0 > Q 0:0(0)\n');
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('chimney packetdrill', () => {
  it('passes a good script, also with moves', async () => {
    const { code, stdout, stderr } = await chimney('packetdrill', '--move-at-every-event', file('good.pkt'));
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`${file('good.pkt')}: passed, and 5 times with moves\n`);
  });

  it('says with exit code 1 what a script found', async () => {
    const { code, stdout, stderr } = await chimney('packetdrill', file('good.pkt'), file('bad.pkt'));
    expect(code).toBe(1);
    expect(stdout).toContain('good.pkt: passed');
    expect(stderr).toContain(
      'bad.pkt:5: expected "> S. 0:0(0) ack 2 <mss 1460>", but got "> S. 0:0(0) ack 1 win 65535 <mss 1460>"',
    );
    expect(stderr).toContain('chimney: 1 of 2 scripts failed.');
  });

  it('says with exit code 2 what is wrong with a script, an option or a file', async () => {
    const wrong = await chimney('packetdrill', file('wrong.pkt'));
    expect([wrong.code, wrong.stderr.split('\n')[0]]).toEqual([
      2,
      `${file('wrong.pkt')}:1: expected the flags of a TCP segment, letters of "FSRPUEWA.", not "Q 0:0(0)"`,
    ]);
    const option = await chimney('packetdrill', '--tolerance=1', file('good.pkt'));
    expect([option.code, option.stderr]).toEqual([
      2,
      'chimney: --tolerance is no option of a script: see the documentation for those that are.\n',
    ]);
    const missing = await chimney('packetdrill', file('missing.pkt'));
    expect([missing.code, missing.stderr]).toEqual([
      2,
      `chimney: ${file('missing.pkt')} does not exist: check the path.\n`,
    ]);
  });

  it('prints one JSON object', async () => {
    const { code, stdout } = await chimney('packetdrill', '--json', '--mtu=1300', file('good.pkt'), file('bad.pkt'));
    expect(code).toBe(1);
    const { personality, files } = JSON.parse(stdout) as {
      personality: string;
      files: { ok: boolean; problems: { line: number }[] }[];
    };
    expect(personality).toBe('default');
    expect(files.map(({ ok }) => ok)).toEqual([false, false]);
    expect(files[0].problems[0].line).toBe(5);
  });
});
