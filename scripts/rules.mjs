/**
 * `npm run rules`: writes docs/rules.md, the table of every contract rule with the sources that implement it, whether the
 * verifier checks it as it happens, and the tests that name it. `npm run rules -- --check` fails when the file is stale.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { cell, files, mentions, writePage } from './marks.mjs';
import { root } from './prepare.mjs';

/** The rules that a text names, ranges such as `INIT-11…22` or `INIT-11..22` included. */
function* rulesIn(text) {
  for (const match of text.matchAll(
    /\b([A-Z][A-Z0-9]*(?:-[A-Z][A-Z0-9]*)?)-(\d\d)(?:(?:…|\.\.\.?|–)(?:[A-Z0-9-]*-)?(\d\d))?\b/g,
  )) {
    const first = Number(match[2]);
    const last = match[3] === undefined ? first : Number(match[3]);
    for (let n = first; n <= Math.min(last, first + 60); n++) yield `${match[1]}-${String(n).padStart(2, '0')}`;
  }
}

const rules = parse(readFileSync(join(root, 'spec', 'rules.yaml'), 'utf8'));
const ids = rules.map((rule) => rule.id);
const sources = mentions(files(join(root, 'src')), ids, rulesIn);
const tests = mentions(files(join(root, 'tests')), ids, rulesIn);
const verified = (id) => [...sources.get(id)].some((path) => path.startsWith('src/ndis/verifier/'));

const rows = rules.map((rule) => {
  const implemented = [...sources.get(rule.id)].filter((path) => !path.startsWith('src/ndis/verifier/'));
  return `| ${rule.id} | ${rule.level} | ${rule.who.join(', ')} | ${cell(implemented)} | ${verified(rule.id) ? 'yes' : ''} | ${cell(tests.get(rule.id))} |`;
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

writePage('rules.md', text, 'npm run rules');
