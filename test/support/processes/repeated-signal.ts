import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** The interval between the signals of make and of a terminal. Closer ones are one to the process. */
const GAP_MS = 2;

/** Signals as make and npm pass them on: the same one three times within milliseconds. */
export async function killRepeatedly(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  for (let i = 0; i < 3; i++) {
    child.kill(signal);
    await delay(GAP_MS);
  }
}
