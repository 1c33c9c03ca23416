import type { VirtualTimer } from './virtual-clock.ts';
import { VirtualClock } from './virtual-clock.ts';
import { Random } from '../random.ts';

let clock = new VirtualClock(new Random(0));
let random = new Random(0);

/** The clock that this thread lives by. */
export function currentClock(): VirtualClock {
  return clock;
}

/** Begins a run: from now on the thread has this time, and Math.random this sequence. */
export function beginTime(seed: number): VirtualClock {
  random = new Random(seed ^ 0x5eed);
  clock = new VirtualClock(new Random(seed ^ 0xc10c));
  return clock;
}

/** The next random byte: what src takes from node:crypto under the simulator. */
export function randomByte(): number {
  return random.below(256);
}

function setTimer(run: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): VirtualTimer {
  return clock.setTimer(args.length === 0 ? run : () => run(...args), ms);
}

function setTurn(run: (...args: unknown[]) => void, ...args: unknown[]): VirtualTimer {
  return clock.immediate(args.length === 0 ? run : () => run(...args));
}

function clear(timer: unknown): void {
  clock.clear(timer);
}

function refuseInterval(): never {
  throw new Error('the simulator has no intervals: nothing that it runs uses one');
}

/**
 * Replaces time and chance in this thread for good. Only for a thread of its own: whatever else runs in it has no real
 * timers any more.
 */
export function replaceGlobals(): void {
  Object.assign(globalThis, {
    setTimeout: setTimer,
    clearTimeout: clear,
    setImmediate: setTurn,
    clearImmediate: clear,
    setInterval: refuseInterval,
  });
  Date.now = () => clock.wallMs;
  Object.defineProperty(performance, 'now', { value: () => clock.nowMs });
  Math.random = () => random.fraction();
}
