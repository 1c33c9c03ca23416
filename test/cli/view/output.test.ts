import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { Output, OutputError } from '../../../src/cli/view/output.ts';

const LINE = 'x'.repeat(99);

it('accepts lines no faster than a slow reader takes them, and all of them in the end', async () => {
  const reader = slowReader();
  const output = new Output(reader.stream);
  let written = 0;
  const writing = (async () => {
    for (; written < 10_000; written++) await output.line(`${LINE}`);
    await output.flush();
  })();
  for (;;) {
    // Everything that can proceed without the reader has proceeded.
    await new Promise((resolve) => setImmediate(resolve));
    expect(written * 100 - reader.taken()).toBeLessThan(40_000);
    if (!reader.takeOne() && written === 10_000) break;
  }
  await writing;
  expect(reader.taken()).toBe(1_000_000);
});

it('flushes a line soon by itself', async () => {
  const reader = slowReader();
  await new Output(reader.stream).line('first page');
  await expect.poll(() => reader.takeOne()).toBe(true);
  expect(reader.taken()).toBe('first page\n'.length);
});

it.each([
  { code: 'EPIPE', readerGone: true },
  { code: 'ENOSPC', readerGone: false },
])('reports at the next line or flush that a write failed: $code', async ({ code, readerGone }) => {
  const stream = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('no more'), { code })),
  });
  const output = new Output(stream);
  await output.line('lost');
  const failure = await output.flush().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(OutputError);
  expect(failure).toMatchObject({ readerGone });
  await expect(output.line('more')).rejects.toBe(failure);
});

/** A stream whose writes complete only on demand. */
function slowReader() {
  const waiting: { length: number; done: () => void }[] = [];
  let taken = 0;
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => void waiting.push({ length: chunk.length, done }),
  });
  return {
    stream,
    taken: () => taken,
    /** Completes the oldest write; false if none waits. */
    takeOne() {
      const write = waiting.shift();
      taken += write?.length ?? 0;
      write?.done();
      return write !== undefined;
    },
  };
}
