import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import type { Methods } from '../../../../src/engines/sqlite/threads/thread.ts';
import { Thread, ThreadFailure } from '../../../../src/engines/sqlite/threads/thread.ts';
import type { WriterMethods } from '../../../../src/engines/sqlite/threads/writer.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

const SOURCE = new URL('../../../../src/engines/sqlite/threads/', import.meta.url);

/** A thread with state, and with ways to fail that the real ones should not have. */
const MODULE = `
  import { workerData } from 'node:worker_threads';
  import { serveThread } from '${new URL('thread.ts', SOURCE).href}';
  const seen = [];
  const released = Promise.withResolvers();
  serveThread({
    remember(value) { seen.push(value); return seen; },
    data() { return workerData; },
    fail({ name, message, code }) { throw Object.assign(new Error(message), { name, ...(code && { code }) }); },
    failWithText(text) { throw text; },
    async later(value) { await released.promise; seen.push(value); return seen; },
    release() { released.resolve(); },
    async failLater(text) { throw new RangeError(text); },
    exit() { process.exit(3); },
    // Thrown while the answer is copied, outside any catch.
    crash() { return { get answer() { throw new Error('planted'); } }; },
    block() { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); },
  });
`;

type TestMethods = {
  remember(value: bigint): bigint[];
  data(_: undefined): unknown;
  fail(error: { name: string; message: string; code?: string }): never;
  failWithText(text: string): never;
  later(value: bigint): Promise<bigint[]>;
  release(_: undefined): void;
  failLater(text: string): Promise<never>;
  exit(_: undefined): never;
  crash(_: undefined): never;
  block(_: undefined): never;
};

function newThread<M extends Methods>(module: URL, data?: unknown): Thread<M> {
  const thread = new Thread<M>(module, data);
  onTestFinished(() => thread.terminate());
  return thread;
}

function testThread(data?: unknown): Thread<TestMethods> {
  return newThread(new URL(`data:text/javascript,${encodeURIComponent(MODULE)}`), data);
}

const DIED = { name: 'ThreadFailure', code: 'THREAD_DIED' };

it('serves calls in the order they are made, from the first on', async () => {
  const thread = testThread({ path: '/a' });
  expect(thread.isRunning).toBe(false);
  const answers = await Promise.all([1n, 2n ** 63n - 1n, 3n].map((value) => thread.call('remember', value)));
  expect(thread.isRunning).toBe(true);
  expect(answers).toEqual([[1n], [1n, 2n ** 63n - 1n], [1n, 2n ** 63n - 1n, 3n]]);
  expect(await thread.call('data', undefined)).toEqual({ path: '/a' });
});

it('an error crosses with its name, message and code, and the thread continues', async () => {
  const thread = testThread();
  await thread.call('remember', 1n);
  const failure = thread.call('fail', { name: 'SqliteError', message: 'disk is full', code: 'SQLITE_FULL' });
  await expect(failure).rejects.toBeInstanceOf(ThreadFailure);
  await expect(failure).rejects.toMatchObject({
    errorName: 'SqliteError',
    message: 'disk is full',
    code: 'SQLITE_FULL',
  });
  const withoutCode = thread.call('fail', { name: 'TypeError', message: 'no' });
  await expect(withoutCode).rejects.toMatchObject({ errorName: 'TypeError', code: '' });
  await expect(thread.call('failWithText', 'no')).rejects.toMatchObject({ errorName: 'Error', message: 'no' });
  expect(await thread.call('remember', 2n)).toEqual([1n, 2n]);
});

it('a method that takes its time is answered when it is done, and holds up no call behind it', async () => {
  const thread = testThread();
  const later = thread.call('later', 1n);
  expect(await thread.call('remember', 2n)).toEqual([2n]);
  await thread.call('release', undefined);
  expect(await later).toEqual([2n, 1n]);
  const failure = thread.call('failLater', 'no');
  await expect(failure).rejects.toThrow(ThreadFailure);
  await expect(failure).rejects.toMatchObject({ errorName: 'RangeError', message: 'no', code: '' });
  expect(thread.isRunning).toBe(true);
});

it('errors of the writer cross with their names and codes', async () => {
  const files = locateLedger(join(testFolder(), 'orders.db'));
  const writer = newThread<WriterMethods>(new URL('writer.ts', SOURCE), {
    files,
    autoCreateStores: true,
  });
  await expect(writer.call('finishCheckpoint', undefined)).rejects.toMatchObject({ errorName: 'Error', code: '' });
  writeFileSync(files.database, 'no database'.repeat(100));
  await expect(writer.call('open', { atStart: true })).rejects.toMatchObject({
    errorName: 'LedgerRefused',
    message: expect.stringContaining('file is not a database'),
  });
  writeFileSync(files.database, '');
  writeFileSync(files.mark, 'torn');
  await expect(writer.call('open', { atStart: true })).rejects.toMatchObject({ errorName: 'LedgerRefused' });
});

it('P7: a thread that ends fails the calls in flight, and the next call restarts it', async () => {
  const thread = testThread();
  await thread.call('remember', 1n);
  const calls = await Promise.allSettled([thread.call('exit', undefined), thread.call('remember', 2n)]);
  expect(calls).toMatchObject([{ reason: DIED }, { reason: DIED }]);
  expect(thread.isRunning).toBe(false);
  expect(await thread.call('remember', 3n)).toEqual([3n]);
});

it('P7: a thread that crashes fails the calls in flight, and the next call restarts it', async () => {
  const thread = testThread();
  const calls = await Promise.allSettled([thread.call('crash', undefined), thread.call('block', undefined)]);
  expect(calls).toMatchObject([
    { reason: { ...DIED, message: expect.stringContaining('died: planted') } },
    { reason: DIED },
  ]);
  expect(await thread.call('remember', 3n)).toEqual([3n]);
});

it('P7: a terminated thread fails the call that blocks it', async () => {
  const thread = testThread();
  await thread.call('remember', 1n);
  const [blocked] = await Promise.allSettled([thread.call('block', undefined), thread.terminate()]);
  expect(blocked).toMatchObject({ reason: DIED });
});

it('P7: a thread that cannot be loaded fails its calls', async () => {
  const thread = newThread<TestMethods>(new URL('no-such-module.ts', SOURCE));
  await expect(thread.call('remember', 1n)).rejects.toMatchObject(DIED);
});
