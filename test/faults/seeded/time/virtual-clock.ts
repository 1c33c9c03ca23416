import type { Random } from '../random.ts';

/** The wall clock of a run begins here, in milliseconds since 1970. */
const EPOCH_MS = Date.UTC(2026, 0, 1);
/** The longest timer of Node.js; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const nextTick = process.nextTick.bind(process);

/**
 * One of several processes that share a thread. Whatever runs until the next timer belongs to the process of the timer
 * before, and so do the timers that it sets.
 */
export interface SimulatedProcess {
  /** None of its timers runs any more. */
  isDead: boolean;
  /** How far its wall clock is ahead of the others. */
  aheadMs: number;
}

/** What setTimeout and setImmediate return under a virtual clock. */
export class VirtualTimer {
  readonly at: number;
  readonly order: number;
  readonly process: SimulatedProcess | undefined;
  run: (() => void) | undefined;

  constructor(at: number, order: number, process: SimulatedProcess | undefined, run: () => void) {
    this.at = at;
    this.order = order;
    this.process = process;
    this.run = run;
  }

  /** A virtual clock keeps no process alive. */
  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

/**
 * Time that passes only from one timer to the next. Between two of them all promises settle, as in a turn of the event
 * loop, so a run depends on nothing but its seed.
 */
export class VirtualClock {
  /** The monotonic time, by performance.now(). */
  nowMs = 0;
  /** The timers and immediates that have run. */
  turns = 0;
  /** The process whose turn it is, if there is one. */
  process: SimulatedProcess | undefined;
  /** Called after each of them, before any promise settles. */
  afterTurn: (() => void) | undefined;
  readonly #random: Random;
  #wallOffsetMs = EPOCH_MS;
  #order = 0;
  readonly #heap: VirtualTimer[] = [];
  #immediates: VirtualTimer[] = [];
  #firstImmediate = 0;
  /** Timers that were cleared since the heap was last swept. */
  #cleared = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The time of Date.now(): whole milliseconds. */
  get wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.nowMs + (this.process?.aheadMs ?? 0));
  }

  /** Sets the wall clock ahead or back; the monotonic time does not notice. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** A timer as Node.js has it: whole milliseconds, one at least, and sometimes late. */
  setTimer(run: () => void, ms: number): VirtualTimer {
    const whole = ms >= 1 && ms <= MAX_TIMER_MS ? Math.trunc(ms) : 1;
    return this.after(this.#random.chance(0.1) ? whole + this.#random.below(4) / 2 : whole, run);
  }

  /** Runs after exactly this time, which may be a fraction of a millisecond, by default as the process of this turn. */
  after(ms: number, run: () => void, process = this.process): VirtualTimer {
    const timer = new VirtualTimer(this.nowMs + ms, this.#order++, process, run);
    this.#push(timer);
    return timer;
  }

  immediate(run: () => void): VirtualTimer {
    const timer = new VirtualTimer(this.nowMs, this.#order++, this.process, run);
    this.#immediates.push(timer);
    return timer;
  }

  clear(timer: unknown): void {
    if (!(timer instanceof VirtualTimer) || !timer.run) return;
    timer.run = undefined;
    this.#cleared++;
    if (this.#cleared > 64 && this.#cleared > this.#heap.length / 2) this.#sweep();
  }

  /** Lets time pass until `isOver`, or until no timer is left. Rejects with what a timer throws. */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      // Behind all microtasks that exist by then, and those that they create.
      const next = () => nextTick(step);
      const step = () => {
        try {
          if (isOver() || !this.#turn()) return resolve();
        } catch (error) {
          return reject(error as Error);
        }
        queueMicrotask(next);
      };
      // What was begun just now may not have set its timer yet.
      next();
    });
  }

  /** Runs one timer or immediate. Returns false if there is none. */
  #turn(): boolean {
    for (;;) {
      const timer = this.#isImmediateNext() ? this.#immediates[this.#firstImmediate++] : this.#pop();
      if (!timer) return false;
      const { run, process } = timer;
      if (!run || process?.isDead) continue;
      this.process = process;
      if (timer.at > this.nowMs) this.nowMs = timer.at;
      timer.run = undefined;
      this.turns++;
      run();
      this.afterTurn?.();
      return true;
    }
  }

  /** Whether what is due goes before an immediate depends on the event loop, which here is the seed. */
  #isImmediateNext(): boolean {
    if (this.#firstImmediate >= this.#immediates.length) {
      if (this.#firstImmediate > 0) this.#immediates = [];
      this.#firstImmediate = 0;
      return false;
    }
    const due = this.#heap[0];
    return !due || due.at > this.nowMs || this.#random.chance(0.5);
  }

  /** Most timers are cleared before their time; those that are left stay in their order. */
  #sweep(): void {
    const left = this.#heap.filter(({ run }) => run);
    this.#heap.length = 0;
    this.#cleared = 0;
    for (const timer of left) this.#push(timer);
  }

  #push(timer: VirtualTimer): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(timer);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = timer;
  }

  #pop(): VirtualTimer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || first === last || !last) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}

function isBefore(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
