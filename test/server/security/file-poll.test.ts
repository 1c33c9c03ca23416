import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { FilePoll } from '../../../src/server/security/file-poll.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';

function poll(...paths: readonly string[]) {
  const calls = { count: 0 };
  const files = new FilePoll(paths, async () => void (calls.count += 1));
  onTestFinished(() => files.stop());
  return { calls, stop: () => files.stop() };
}

/** As long as some looks take. */
async function looks(path: string, count: number): Promise<void> {
  const other = poll(path);
  for (let i = 1; i <= count; i++) {
    writeFileSync(path, String(i));
    await until(`look ${i}`, () => other.calls.count >= i);
  }
  other.stop();
}

it('files that do not change are told of once, and missing ones, too', async () => {
  const { calls } = poll(new URL('../../../package.json', import.meta.url).pathname, '/nowhere/at/all');
  await looks(join(testFolder(), 'clock'), 3);
  expect(calls.count).toBe(1);
});

it('a new file is looked at until no second write can have the same time', async () => {
  const path = join(testFolder(), 'file');
  writeFileSync(path, 'a');
  const { calls } = poll(path);
  await until('it was read again and again', () => calls.count >= 3);
  await until('it has settled', async () => {
    const before = calls.count;
    await looks(join(testFolder(), 'clock'), 3);
    return calls.count === before;
  });
  expect(calls.count).toBeLessThanOrEqual(7);
});

it('the change of any one file is told', async () => {
  const folder = testFolder();
  const paths = ['cert', 'key'].map((name) => join(folder, name));
  const { calls, stop } = poll(...paths);
  await until('the first look', () => calls.count === 1);
  for (const path of paths) {
    const before = calls.count;
    writeFileSync(path, 'x');
    await until('it was told', () => calls.count > before);
  }
  stop();
  const stopped = calls.count;
  writeFileSync(paths[0]!, 'y');
  await looks(join(testFolder(), 'clock'), 2);
  expect(calls.count).toBe(stopped);
});
