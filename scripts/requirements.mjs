/**
 * `npm run requirements`: prints the matrix of the numbered requirements of RFC 9293 and of the MUSTs of the RFCs around it,
 * with the sources and tests that name each, and writes docs/requirements.md. With `-- --check` it fails instead of writing
 * when the page is stale; with `-- --marks` it leaves the page alone.
 *
 * Fails when something that is taken is named beside no code or beside no test, or when a mark names a requirement that
 * there is not.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { cell, files, mentions, writePage } from './marks.mjs';
import { root } from './prepare.mjs';

/** Longest range that one mark may name: what is longer says nothing. */
const LONGEST_RANGE = 10;

/** The marks of a text: `MUST-14`, ranges such as `MUST-30…32`, and `RFC6298-5-1` for the RFCs that number nothing. */
function* marksIn(text) {
  for (const match of text.matchAll(/\b(MUST|SHLD|MAY|REC)-(\d+)(?:(?:…|\.\.\.?)(?:(?:MUST|SHLD|MAY)-)?(\d+))?\b/g)) {
    const first = Number(match[2]);
    const last = match[3] === undefined ? first : Number(match[3]);
    if (last > first + LONGEST_RANGE) yield match[0];
    else for (let n = first; n <= last; n++) yield `${match[1]}-${n}`;
  }
  for (const match of text.matchAll(/\bRFC\d{4}(?:-[0-9.]+)+\b/g)) yield match[0];
}

const LEVELS = { MUST: 'MUST', SHLD: 'SHOULD', MAY: 'MAY', REC: 'SHOULD' };
const requirements = parse(readFileSync(join(root, 'spec', 'requirements.yaml'), 'utf8')).map((entry) => ({
  rfc: Number(/^RFC(\d+)/.exec(entry.id)?.[1] ?? 9293),
  level: entry.level ?? LEVELS[entry.id.split('-')[0]] ?? 'MUST',
  choice: 'taken',
  why: '',
  ...entry,
}));
const ids = requirements.map(({ id }) => id);
// Helpers of tests prove nothing: marks count in tests and in packetdrill scripts only.
const sources = mentions(files(join(root, 'src')), ids, marksIn);
const tests = mentions(files(join(root, 'tests'), ['.test.ts', '.pkt']), ids, marksIn);

const problems = [];
if (new Set(ids).size !== ids.length) problems.push('spec/requirements.yaml names a requirement twice');
for (const [where, found] of [
  ['code', sources],
  ['test', tests],
]) {
  for (const [id, paths] of found) {
    if (!ids.includes(id))
      problems.push(`${id} is marked in ${[...paths].join(', ')}, but there is no such requirement`);
  }
  for (const { id, choice } of requirements) {
    if (choice === 'taken' && found.get(id).size === 0) problems.push(`${id} has no ${where}`);
  }
}
for (const { id, choice, why, level } of requirements) {
  if (choice === 'taken') continue;
  if (level === 'MUST') problems.push(`${id} is a MUST: it has to be taken`);
  if (why === '') problems.push(`${id} is ${choice}, without a reason`);
}

const groups = [...new Set(requirements.map(({ rfc }) => rfc))];
const summary = groups.map((rfc) => {
  const all = requirements.filter((entry) => entry.rfc === rfc);
  const count = (level, test) => all.filter((entry) => entry.level === level && test(entry)).length;
  const proven = ({ id }) => sources.get(id).size > 0 && tests.get(id).size > 0;
  const levels = ['MUST', 'SHOULD', 'MAY']
    .filter((level) => count(level, () => true) > 0)
    .map((level) => `${level} ${count(level, proven)} of ${count(level, () => true)}`);
  return `RFC ${rfc}: ${levels.join(', ')}`;
});

const row = ({ id, level, section, text, choice, why }) => {
  const note = choice === 'taken' ? why : `**${choice}**${why === '' ? '' : `: ${why}`}`;
  return `| ${id} | ${level} | ${section} | ${text}${note === '' ? '' : `<br>${note}`} | ${cell(sources.get(id))} | ${cell(tests.get(id))} |`;
};
const tables = groups.map(
  (rfc) => `## RFC ${rfc}

| id | level | section | requirement | code in src/ | tests in tests/ |
|---|---|---|---|---|---|
${requirements
  .filter((entry) => entry.rfc === rfc)
  .map(row)
  .join('\n')}
`,
);
const page = `# What the RFCs require, and where it is kept

Made by \`npm run requirements\` from [spec/requirements.yaml](../spec/requirements.yaml) and the marks in sources and tests. A mark
is the id of a requirement in a comment of the code that keeps it, and in the title or comment of a test that fails when it
is broken. What is *not taken* or *not ours* says why. The command fails when anything else lacks code or test.

Marked beside code and test:

${summary.map((line) => `- ${line}`).join('\n')}

${tables.join('\n')}`;

for (const { id, level, choice } of requirements) {
  const state = choice === 'taken' ? `code ${sources.get(id).size}, tests ${tests.get(id).size}` : choice;
  console.log(`${id.padEnd(16)} ${level.padEnd(6)} ${state}`);
}
console.log(`\n${summary.join('\n')}`);
if (problems.length > 0) {
  console.error(`\n${problems.join('\n')}`);
  process.exit(1);
}
if (!process.argv.includes('--marks')) writePage('requirements.md', page, 'npm run requirements');
