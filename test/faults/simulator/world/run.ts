import { beginNetwork } from '../network/network.ts';
import { beginTime } from '../../seeded/time/globals.ts';
import { Callers } from './callers.ts';
import { IndexedDisk } from '../engine/indexed-disk.ts';
import { Messages } from './messages.ts';
import type { Plan } from './plan.ts';
import type { FinishedRun } from '../../seeded/run-judge.ts';
import { judgeRun } from '../../seeded/run-judge.ts';
import type { RunResult } from '../../seeded/thread.ts';
import { RunRecord } from '../../seeded/run-record.ts';
import { Servers } from './servers.ts';

/** After this much virtual time a run counts as stuck. */
const LONGEST_MS = 300_000;
/** How long watchers may take to see the last rows. */
const WATCH_MS = 20_000;

/** Runs a plan from its first call to the drain of the last server, and judges it. */
export async function run(plan: Plan, keepsLines = false): Promise<RunResult> {
  const clock = beginTime(plan.seed);
  const record = new RunRecord(clock, keepsLines);
  const disk = new IndexedDisk();
  const servers = new Servers(plan, disk, record, clock);
  beginNetwork(new Messages(plan, clock, record, servers));
  const callers = new Callers(plan, record, clock, disk);
  servers.begin();
  callers.begin();
  for (const event of plan.events) {
    clock.after(event.atMs, () => {
      servers.disturb(event);
      callers.disturb(event);
    });
  }
  try {
    await clock.run(() => callers.areAnswered || clock.nowMs > LONGEST_MS);
    if (!callers.areAnswered)
      record.violated(`${callers.unanswered} calls have no answer after ${LONGEST_MS / 1000} s`);
    const limitMs = clock.nowMs + WATCH_MS;
    await clock.run(() => callers.haveSeenAll || clock.nowMs > limitMs);
    if (!callers.haveSeenAll) record.violated('a watcher did not see the last rows in time');
    callers.end();
    const drained = servers.drainLast();
    await clock.run(() => drained.isOver);
    if (!drained.isClean) record.violated('the last server did not drain');
  } catch (error) {
    record.violated(`something threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  const { calls, watches } = callers;
  const finished: FinishedRun = { disk, calls, watches, duplicated: servers.duplicated };
  for (const sentence of judgeRun(finished)) record.violated(sentence);
  return {
    seed: plan.seed,
    violations: record.violations,
    hash: record.trace.hash,
    lines: record.trace.lines,
    lives: servers.lives,
    calls: plan.calls.length,
    turns: clock.turns,
    acknowledged: calls.filter(({ answer }) => answer).length,
    rows: disk.rows.length,
    virtualMs: clock.nowMs,
    injected: record.injections,
    branches: record.branches,
    finished,
  };
}
