/** `npm run fuzz [-- TARGET… --minutes 10 --json]`: prepare, compile, instrument, and look for inputs that break something. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkNode, install, root, run } from './prepare.mjs';

checkNode();
install();
// Not earlier: it needs what was installed just now.
const { instrumentFolder } = await import('./fuzz/instrument.mjs');
// Runs at the same time must not compile over each other.
const output = join(root, 'dist', `.fuzz-${process.pid}`);
process.on('exit', () => rmSync(output, { recursive: true, force: true }));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
run(process.execPath, [tsc, '-p', 'tsconfig.fuzz.json', '--outDir', output], { stdio: ['ignore', 2, 2] });
const places = instrumentFolder(join(output, 'src'));
run(process.execPath, [join(output, 'fuzz', 'main.js'), ...process.argv.slice(2)], {
  env: { ...process.env, CHIMNEY_ROOT: root, CHIMNEY_FUZZ_PLACES: String(places) },
});
