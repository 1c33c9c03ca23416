import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { batchQueue, CheckedQueue, QUEUE_STEPS } from './queue-steps.ts';

const RUN = faultRun('model', { short: 200, long: 50_000 });

it(
  'P6: whatever is offered, taken and dropped, each item of a fair queue leaves once, in its turn',
  () => {
    const property = fc.property(QUEUE_STEPS, (steps) => {
      const queue = new CheckedQueue();
      for (const step of steps) queue.step(step);
    });
    expect(() => fc.assert(property, { seed: RUN.seed, numRuns: RUN.rounds })).not.toThrow();
  },
  timeoutMs(RUN),
);

it(
  'P6: a batch queue flushes each item once, one batch at a time, or refuses it, also when it cannot get ready',
  async () => {
    const property = fc.asyncProperty(
      fc.array(fc.constantFrom('offer', 'turn', 'not ready', 'refuse'), { maxLength: 40, size: 'max' }),
      batchQueue,
    );
    await expect(fc.assert(property, { seed: RUN.seed, numRuns: RUN.rounds })).resolves.toBe(undefined);
  },
  timeoutMs(RUN),
);
