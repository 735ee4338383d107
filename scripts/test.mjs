// Sets the machine up, builds, and runs every test. Usage: npm test [-- option of `vitest run` ...]
// The last line of the output is `N passed, N failed, N skipped`.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv } from 'node:process';
import { foreground, main, root, SetupError } from './lib/command.mjs';
import { setup } from './setup.mjs';

const RESULTS = join(root, '.cache', 'test-results.json');

/** Counts of a report of vitest's JSON reporter; a file that failed before its first test counts as one failure. */
function count(report) {
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

await main(async () => {
  await setup({ forTests: true });
  mkdirSync(dirname(RESULTS), { recursive: true });
  rmSync(RESULTS, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${RESULTS}`];
  const code = await foreground([vitest, 'run', ...reporters, ...argv.slice(2)]);
  if (!existsSync(RESULTS)) throw new SetupError(`vitest ended with exit code ${code} and left no results.`);
  const { passed, failed, skipped } = count(JSON.parse(readFileSync(RESULTS, 'utf8')));
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = code !== 0 ? code : failed > 0 ? 1 : 0;
});
