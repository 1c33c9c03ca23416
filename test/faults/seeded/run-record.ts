import type { VirtualClock } from './time/virtual-clock.ts';
import { Trace } from './trace.ts';

/** Violations that one run reports, at most. */
const MAX_VIOLATIONS = 20;

/** What is kept of a run. */
export class RunRecord {
  readonly trace: Trace;
  readonly violations: string[] = [];
  readonly injections = new Map<string, number>();
  readonly branches = new Map<string, number>();
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock, keepsLines: boolean) {
    this.#clock = clock;
    this.trace = new Trace(keepsLines);
  }

  note(what: string, detail: string): void {
    this.trace.add(this.#clock.nowMs, what, detail);
  }

  readonly violated = (sentence: string): void => {
    if (this.violations.length >= MAX_VIOLATIONS) return;
    this.violations.push(sentence);
    this.note('VIOLATED', sentence);
  };

  readonly injected = (fault: string): void => {
    this.injections.set(fault, (this.injections.get(fault) ?? 0) + 1);
    this.note('fault', fault);
  };

  readonly reached = (branch: string): void => {
    this.branches.set(branch, (this.branches.get(branch) ?? 0) + 1);
  };
}
