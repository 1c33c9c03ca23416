import { WriteStream } from 'node:tty';
import { expect, it } from 'vitest';
import { ProgressBar } from '../../../src/cli/view/progress-bar.ts';

/** A stream that claims to be a terminal, or not. */
function stream(isTTY: boolean): WriteStream {
  return Object.assign(Object.create(WriteStream.prototype) as WriteStream, { isTTY });
}

it.each([
  ['xterm-256color', true, true],
  ['xterm-256color', false, false],
  ['dumb', true, false],
  ['dumb', false, false],
])('a bar is drawn only if the cursor can be moved: TERM=%s, a terminal: %s', async (term, isTTY, isDrawn) => {
  expect((await ProgressBar.onTerminal(stream(isTTY), term)) !== undefined).toBe(isDrawn);
});
