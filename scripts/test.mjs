/** `npm test [-- VITEST ARGUMENTS]`: prepare, then types, lint and every test; with arguments only the tests they name. */
import { join } from 'node:path';
import { build, checkNode, install, root, run } from './prepare.mjs';

checkNode();
install();
build();
const bin = (...path) => join(root, 'node_modules', ...path);
const selected = process.argv.slice(2);
if (selected.length === 0) {
  run(process.execPath, [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json']);
  run(process.execPath, [bin('@biomejs', 'biome', 'bin', 'biome'), 'check', '.']);
}
run(process.execPath, [bin('vitest', 'vitest.mjs'), 'run', ...selected]);
