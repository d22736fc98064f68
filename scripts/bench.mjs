/** `npm run bench [-- ARGUMENTS]`: prepare, compile bench/ beside what it measures, and run it. */
import { join } from 'node:path';
import { checkNode, install, root, run } from './prepare.mjs';

checkNode();
install();
const output = join('dist', '.bench');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
run(process.execPath, [tsc, '-p', 'tsconfig.bench.json', '--outDir', output], { stdio: ['ignore', 2, 2] });
run(process.execPath, [join(root, output, 'bench', 'main.js'), ...process.argv.slice(2)]);
