import { verifyLedger } from '../../../../src/core/verify/verify-ledger.ts';
import { readView } from '../../../../src/engines/dynamodb/log/opening.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';
import { DynamodbVerifySource } from '../../../../src/engines/dynamodb/verify/verify-source.ts';
import { setProbe } from '../loading/probe.ts';
import { Random } from '../../seeded/random.ts';
import { judgeRun, keyOf } from '../../seeded/run-judge.ts';
import type { FinishedRun, SeenCall } from '../../seeded/run-judge.ts';
import { RunRecord } from '../../seeded/run-record.ts';
import type { RunResult } from '../../seeded/thread.ts';
import { beginTime } from '../../seeded/time/globals.ts';
import type { VirtualClock } from '../../seeded/time/virtual-clock.ts';
import { judgeCalls } from '../judge/judge-calls.ts';
import { judgeReads } from '../judge/judge-reads.ts';
import { LogWalk } from '../judge/log-walk.ts';
import { Account } from '../table/account.ts';
import { Fates } from '../table/fates.ts';
import { NOBODY, SimulatedClient } from '../table/simulated-client.ts';
import { Callers } from './callers.ts';
import { Operator } from './operator.ts';
import type { Plan } from './plan.ts';
import { Questions } from './questions.ts';
import { Servers } from './servers.ts';
import { Watchers } from './watchers.ts';

/** After this much virtual time a run counts as stuck. */
const LONGEST_MS = 240_000;
/** How long watchers and indexes may take once all is quiet: others' entries are in sight for 2 s before. */
const QUIET_MS = 20_000;
/** Requests that are asked for again of every server, once all is quiet. */
const REPLAYED = 3;

/** The parts of a run. */
interface World {
  readonly plan: Plan;
  readonly clock: VirtualClock;
  readonly record: RunRecord;
  readonly account: Account;
  readonly servers: Servers;
  readonly callers: Callers;
  readonly questions: Questions;
  readonly watchers: Watchers;
  readonly operator: Operator;
}

/** Runs a plan from its first call to the end of the last server, and judges it. */
export async function run(plan: Plan, keepsLines = false): Promise<RunResult> {
  const world = newWorld(plan, keepsLines);
  const { clock, record, servers, callers } = world;
  try {
    await play(world);
    await calmDown(world);
    await verify(world);
  } catch (error) {
    record.violated(`something threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  const finished = judge(world);
  return {
    seed: plan.seed,
    violations: record.violations,
    hash: record.trace.hash,
    lines: record.trace.lines,
    lives: servers.lives,
    calls: callers.calls.length,
    turns: clock.turns,
    acknowledged: callers.calls.filter(({ answer }) => answer).length,
    rows: finished.disk.rows.length,
    virtualMs: clock.nowMs,
    injected: record.injections,
    branches: record.branches,
    finished,
  };
}

function newWorld(plan: Plan, keepsLines: boolean): World {
  const clock = beginTime(plan.seed);
  const record = new RunRecord(clock, keepsLines);
  const random = new Random(plan.requestSeed);
  const account = new Account();
  const fates = new Fates(random.fork(), plan.faultShare, plan.paceMs);
  const servers = new Servers(plan, record, clock, account, fates, random.fork());
  const callers = new Callers(plan, record, servers, random.fork());
  const questions = new Questions(record, servers, callers.calls);
  const watchers = new Watchers(plan, record, servers);
  const operator = new Operator(account, servers, record);
  setProbe((branch) => {
    record.reached(branch);
    if (keepsLines) record.note('branch', branch);
  });
  return { plan, clock, record, account, servers, callers, questions, watchers, operator };
}

async function play({ plan, clock, record, servers, callers, questions, watchers, operator }: World): Promise<void> {
  servers.begin();
  callers.begin();
  watchers.begin();
  let events = plan.events.length;
  for (const event of plan.events) {
    clock.after(
      event.atMs,
      () => {
        events--;
        servers.disturb(event);
        operator.disturb(event);
        if ('draw' in event) questions.ask(event.what, event.server, event.storeId, event.draw);
      },
      NOBODY,
    );
  }
  const isOver = () => {
    return events === 0 && callers.unanswered + questions.unanswered === 0 && operator.isDone && servers.areAllUp;
  };
  await clock.run(() => isOver() || clock.nowMs > LONGEST_MS);
  if (!isOver()) {
    record.violated(`${callers.unanswered} calls and ${questions.unanswered} questions have no answer in time`);
  }
}

/** Without faults, all watchers see the end, the index becomes complete, and every server gives the same replays. */
async function calmDown({ plan, clock, record, account, servers, callers, watchers }: World): Promise<void> {
  servers.fates.calm();
  servers.disarm();
  const lastOrderId = () =>
    servers.listening.reduce((most, { ledger }) => (ledger.lastOrderId > most ? ledger.lastOrderId : most), 0n);
  const answered = callers.calls.filter(({ answer }) => answer);
  for (const [server] of plan.servers.entries()) {
    for (const { storeId, requestId, count } of answered.slice(0, REPLAYED)) {
      const asked = { storeId, requestId: requestId!, count, server };
      callers.callLater({ ...asked, atMs: 0, cancelAfterMs: undefined, retries: 0 }, 1);
    }
  }
  const isQuiet = () =>
    callers.unanswered === 0 && watchers.haveSeen(lastOrderId()) && account.indexedTo >= account.puts.length - 1;
  const limitMs = clock.nowMs + QUIET_MS;
  await clock.run(() => isQuiet() || clock.nowMs > limitMs);
  if (callers.unanswered > 0) record.violated(`${callers.unanswered} replays have no answer in time`);
  else if (!watchers.haveSeen(lastOrderId())) record.violated('a watcher did not see the last rows in time');
  else if (!isQuiet()) record.violated(`the index ends at ${account.indexedTo} of ${account.puts.length - 1}`);
  watchers.end();
  for (const life of servers.listening) life.kill();
}

/** What `order-numbers verify` says to the table afterwards. */
async function verify({ clock, record, account, servers }: World): Promise<void> {
  // No server was ever allowed to create it.
  if (account.puts.length === 0) return;
  const table = new Table(new SimulatedClient(servers, NOBODY), 'orders');
  const found: string[] = [];
  const read = async () => {
    const source = new DynamodbVerifySource(table, await readView(table, 'orders'));
    for await (const event of verifyLedger(source, undefined)) if (event.kind === 'finding') found.push(event.message);
  };
  let isRead = false;
  clock.process = NOBODY;
  read().then(
    () => void (isRead = true),
    (error: unknown) => {
      isRead = true;
      found.push(String(error));
    },
  );
  await clock.run(() => isRead);
  for (const finding of found) record.violated(`verify: ${finding}`);
}

function judge({ record, account, callers, questions, watchers }: World): FinishedRun {
  const { violated } = record;
  const calls = withFirstStarts(callers.calls);
  const log = new LogWalk(account, violated);
  const { rows, stores, byKey } = log;
  const finished: FinishedRun = {
    disk: { rows, stores, byKey },
    calls,
    watches: watchers.watches,
    duplicated: new Set(),
  };
  for (const sentence of judgeRun(finished)) violated(sentence);
  judgeCalls(log, calls, questions.changes, violated);
  judgeReads(log, questions.reads, violated);
  for (const row of rows) {
    const item = account.table.get({ pk: { S: `req#${keyOf(row).replace(' ', '#')}` }, sk: { N: '0' } });
    if (item?.['order_id']?.N !== String(row.orderId)) violated(`the index does not have ${keyOf(row)}`);
  }
  return finished;
}

/** A copy of a request under way shares its answer, so it counts from when the request was first asked for. */
function withFirstStarts(calls: readonly SeenCall[]): readonly SeenCall[] {
  const starts = new Map<string, number>();
  return calls.map((call) => {
    const key = `${call.storeId} ${call.requestId}`;
    const start = starts.get(key) ?? call.start;
    starts.set(key, start);
    return { ...call, start };
  });
}
