import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished } from 'vitest';

export type Question = 'health' | 'a read';

/** One question and its answer. */
export interface Check {
  readonly what: Question;
  readonly answer: string;
  readonly ms: number;
  /** The part of it, at least, in which the server or its prober had no processor. */
  readonly waitedMs: number;
}

const PROBER = new URL('prober.ts', import.meta.url).pathname;

/** Asks a server from a process that does nothing else, so that no test keeps it from seeing an answer. */
export class Probes {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  /** `pid` is the server's. */
  constructor(address: string, pid: number) {
    this.#child = fork(PROBER, [address, String(pid)], { execArgv: [] });
    this.#ended = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`the prober ended with ${String(code)}`);
    });
    // Reported to the test that waits for answers.
    this.#ended.catch(() => {});
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  /** Asks each of these questions this many times, one after the other. */
  async ask(times: number, ...questions: readonly Question[]): Promise<readonly Check[]> {
    const answered = once(this.#child, 'message') as Promise<[readonly Check[]]>;
    this.#child.send({ questions, times });
    return (await Promise.race([answered, this.#ended]))[0];
  }
}

/** Every answer within this, or on a machine that is slower than that, within three times what an answer takes otherwise. */
const LIMIT_MS = 100;
const LIMIT_FACTOR = 3;

/** Each check has one of these answers, and had it in time; `before` are those without a fault. */
export function expectInTime(checks: readonly Check[], before: readonly Check[], ...answers: readonly string[]): void {
  expect(checks.filter(({ answer }) => !answers.includes(answer))).toEqual([]);
  expect(checks.filter((check) => isLate([check], before))).toEqual([]);
}

/** Whether one of the checks was not answered in time. */
export function isLate(checks: readonly Check[], before: readonly Check[]): boolean {
  const limitMs = Math.max(LIMIT_MS, LIMIT_FACTOR * medianMs(before));
  return checks.some((check) => serversMs(check) >= limitMs);
}

/** What the server took for an answer: not what the machine took to let it run. */
function serversMs({ ms, waitedMs }: Check): number {
  return Math.max(0, ms - waitedMs);
}

function medianMs(checks: readonly Check[]): number {
  const sorted = checks.map(serversMs).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** For a record: how many, and how long they took, each kind for itself. */
export function textOf(checks: readonly Check[]): string {
  const kinds = Map.groupBy(checks, ({ what }) => what);
  return [...kinds]
    .map(([what, some]) => {
      const most = Math.max(...some.map(serversMs));
      const seen = Math.max(...some.map(({ ms }) => ms));
      const times = `${Math.round(medianMs(some))} ms, and none of ${some.length} more than ${Math.round(most)} ms`;
      return `${what} took ${times} (${Math.round(seen)} ms with the wait for a processor)`;
    })
    .join(', and ');
}
