/**
 * `npm run rules`: writes docs/rules.md, the table of every contract rule with the sources that implement it, whether the
 * verifier checks it as it happens, and the tests that name it. `npm run rules -- --check` fails when the file is stale.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from 'yaml';
import { root } from './prepare.mjs';

function files(directory) {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? files(path) : path.endsWith('.ts') ? [path] : [];
  });
}

/** Rule id → files below `directory` that name it, ranges such as `INIT-11…22` or `INIT-11..22` included. */
function mentions(directory, ids) {
  const found = new Map(ids.map((id) => [id, new Set()]));
  for (const path of files(directory)) {
    const text = readFileSync(path, 'utf8');
    const name = relative(root, path);
    for (const match of text.matchAll(
      /\b([A-Z][A-Z0-9]*(?:-[A-Z][A-Z0-9]*)?)-(\d\d)(?:(?:…|\.\.\.?|–)(?:[A-Z0-9-]*-)?(\d\d))?\b/g,
    )) {
      const first = Number(match[2]);
      const last = match[3] === undefined ? first : Number(match[3]);
      for (let n = first; n <= Math.min(last, first + 60); n++) {
        found.get(`${match[1]}-${String(n).padStart(2, '0')}`)?.add(name);
      }
    }
  }
  return found;
}

const rules = parse(readFileSync(join(root, 'spec', 'rules.yaml'), 'utf8'));
const ids = rules.map((rule) => rule.id);
const sources = mentions(join(root, 'src'), ids);
const tests = mentions(join(root, 'tests'), ids);
const verified = (id) => [...sources.get(id)].some((path) => path.startsWith('src/ndis/verifier/'));

const short = (paths) =>
  [...paths]
    .sort()
    .map((path) => path.replace(/^(src|tests)\//, ''))
    .join('<br>');
const rows = rules.map((rule) => {
  const implemented = [...sources.get(rule.id)].filter((path) => !path.startsWith('src/ndis/verifier/'));
  return `| ${rule.id} | ${rule.level} | ${rule.who.join(', ')} | ${short(implemented)} | ${verified(rule.id) ? 'yes' : ''} | ${short(tests.get(rule.id))} |`;
});
const count = (test) => rules.filter((rule) => test(rule.id)).length;
const text = `# The contract's rules, and where they are kept

Made by \`npm run rules\` from spec/rules.yaml and the rule ids that sources and tests name. A row without a source is a
rule that is not implemented yet, or that has no meaning in user space (spec/decisions.md, Scope).

${rules.length} rules: ${count((id) => sources.get(id).size > 0)} named by sources, ${count(verified)} checked by the verifier as they happen, ${count((id) => tests.get(id).size > 0)} named by tests.

| rule | level | who | implemented in src/ | verifier | tested in tests/ |
|---|---|---|---|---|---|
${rows.join('\n')}
`;

const target = join(root, 'docs', 'rules.md');
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('docs/rules.md is stale: run npm run rules.');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
