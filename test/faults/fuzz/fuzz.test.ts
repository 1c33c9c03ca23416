import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { testFolder } from '../../support/processes/server-process.ts';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import { controlsOf } from './controls.ts';
import type { Finding } from './fuzzer.ts';
import { fuzz } from './fuzzer.ts';
import { allTargets } from './targets/all-targets.ts';

const TEST = 'P6: whatever comes in is answered or refused, and burns nothing';
const run = faultRun('fuzz', { short: 6000, long: 1_000_000 });
/** Memory in use afterwards, above what it was before, at most. */
const MAX_MORE_MIB = 64;

it(
  'P6: whatever comes in is answered or refused, and burns nothing',
  async () => {
    const tally = new Tally(run, TEST, { engine: 'none' });
    const random = new Random(run.seed);
    const targets = await allTargets(testFolder());
    const weights = targets.reduce((sum, { weight }) => sum + weight, 0);
    const before = heapMiB();
    const findings: Finding[] = [];
    let inputs = 0;
    for (const { target, weight } of targets) {
      const result = await fuzz(target, Math.ceil((run.rounds * weight) / weights), random.fork());
      tally.inject(target.name, result.inputs);
      tally.progress((inputs += result.inputs));
      findings.push(...result.findings);
      // One outcome alone would mean that nothing gets past the first check.
      expect([target.name, result.outcomes.size]).toEqual([target.name, expect.toSatisfy((kinds) => kinds > 1)]);
    }
    expect(findings.map(({ target, line, error }) => `${target}: ${error.message}: ${line}`)).toEqual([]);
    expect(heapMiB() - before).toBeLessThan(MAX_MORE_MIB);
    for (const { name, findings: red } of await controlsOf(random)) {
      tally.control(name, red.length > 0, red[0]?.error.message ?? 'nothing');
    }
    tally.end(inputs);
  },
  timeoutMs(run),
);

/** After a collection. */
function heapMiB(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}
