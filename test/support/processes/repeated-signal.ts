import type { ChildProcess } from 'node:child_process';

/** The interval between the signals of make and of a terminal. Closer ones are one to the process. */
const GAP_MS = 2;

/** Signals as make and npm pass them on: the same one three times within milliseconds. */
export function killRepeatedly(child: ChildProcess, signal: NodeJS.Signals): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 3; i++) {
    child.kill(signal);
    // A busy event loop would make it longer, and the process counts later ones as signals of their own.
    Atomics.wait(never, 0, 0, GAP_MS);
  }
}
