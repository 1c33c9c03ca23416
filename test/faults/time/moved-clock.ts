import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

// Preloaded with --import, in a process and in its threads: the time of day is what a file says. Timers and
// performance.now() go on as they do on a machine whose clock is set.

const realNow = Date.now;
const control = process.env['MOVED_CLOCK'];

/** Milliseconds that the clock is ahead, or where it stands still; and whether a commit waits for it. */
export interface ClockState {
  readonly offsetMs?: number;
  readonly standsAtMs?: number;
  readonly isHeld?: boolean;
}

if (control !== undefined) {
  Date.now = () => {
    if (!isMainThread) waitWhileHeld(control);
    return nowBy(stateOf(control));
  };
  globalThis.Date = new Proxy(Date, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget) as object,
  });
}

function nowBy({ offsetMs = 0, standsAtMs }: ClockState): number {
  return standsAtMs ?? realNow() + offsetMs;
}

/** In the thread that commits, which asks for the time once per batch. */
function waitWhileHeld(path: string): void {
  if (stateOf(path).isHeld !== true) return;
  writeFileSync(`${path}.held`, '');
  const never = new Int32Array(new SharedArrayBuffer(4));
  while (stateOf(path).isHeld === true) Atomics.wait(never, 0, 0, 5);
}

function stateOf(path: string): ClockState {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ClockState) : {};
}
