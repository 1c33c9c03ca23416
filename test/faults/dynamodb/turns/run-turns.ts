import { Allocator } from '../../../../src/core/allocator.ts';
import { ANY_LEDGER } from '../../../../src/core/expected-ledger.ts';
import { DynamodbLedger } from '../../../../src/engines/dynamodb/dynamodb-ledger.ts';
import { MoveSource } from '../../../../src/engines/dynamodb/operator/move/move-source.ts';
import { TableAdmin } from '../../../../src/engines/dynamodb/table/table-admin.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';
import type { SimulatedProcess, VirtualClock } from '../../seeded/time/virtual-clock.ts';
import { Account } from '../table/account.ts';
import type { Fate } from '../table/fates.ts';
import { SimulatedClient } from '../table/simulated-client.ts';
import type { ServerTurns, Turns, TurnsPlan } from './turns.ts';

const STORES = 5;
const QUIET = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };

/** In a thread whose time is the clock's. */
export async function runTurns(plan: TurnsPlan, clock: VirtualClock): Promise<Turns> {
  const account = new Account();
  const endMs = plan.seconds * 1000;
  const { signal } = new AbortController();
  const orders = plan.putMs.map(() => 0);
  /** The table for a process whose requests take this long. */
  const placeFor = (process: SimulatedProcess, ms: number, name: string) => {
    const times = { requestMs: ms / 2, answerMs: ms / 2, lateMs: 0, restMs: undefined, staleMs: 0 };
    const fate: Fate = { ...times, fault: undefined, share: 1 };
    const fates = { of: () => fate } as never;
    const client = new SimulatedClient({ clock, account, fates, injected() {}, note() {}, reached() {} }, process);
    return { table: new Table(client, 'orders'), admin: new TableAdmin(client, 'orders'), name };
  };
  plan.putMs.forEach((putMs, server) => {
    const process: SimulatedProcess = { isDead: false, aheadMs: 0 };
    const start = () => {
      const name = `server ${server}`;
      const place = placeFor(process, putMs, name);
      const ledger = new DynamodbLedger({ ...place, expected: ANY_LEDGER }, true, QUIET);
      const options = { ledger, maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 1, requireRequestId: false };
      const allocator = new Allocator(options);
      const call = { requestId: '', count: 1, caller: String(server), origin: name, signal };
      const caller = async (first: number) => {
        for (let i = first; clock.nowMs < endMs; i++) {
          const answer = allocator.allocate({ ...call, storeId: BigInt(1 + (i % STORES)) });
          await answer.then(
            () => orders[server]!++,
            // A server that never gets a turn gives up after some time.
            () => {},
          );
        }
      };
      for (let i = 0; i < plan.callers; i++) void caller(i);
    };
    clock.after(0, start, process);
  });
  let heldMs: number | undefined;
  const { move } = plan;
  if (move) {
    const process: SimulatedProcess = { isDead: false, aheadMs: 0 };
    const start = async () => {
      const place = placeFor(process, move.requestMs, 'the command');
      const operated = { ...place, identity: async () => 'orders', close() {} };
      const source = await MoveSource.open(operated, signal);
      await source.hold({ name: 'elsewhere', identity: 'elsewhere' });
      heldMs = clock.nowMs - move.afterMs;
    };
    clock.after(move.afterMs, () => void start(), process);
  }
  await clock.run(() => clock.nowMs >= endMs || heldMs !== undefined);
  return { servers: summed(plan, account, orders), heldMs };
}

/** Each batch has the callers of one server, whose name tells it. */
function summed(plan: TurnsPlan, account: Account, orders: readonly number[]): ServerTurns[] {
  const turns = plan.putMs.map((putMs, i) => ({ putMs, batches: 0, orders: orders[i]!, mostLost: 0 }));
  for (let position = 1; ; position++) {
    const entry = account.table.get({ pk: { S: `log#${position}` }, sk: { N: '0' } });
    if (!entry) return turns;
    const { callers } = JSON.parse(entry['body']!.S!) as { readonly callers?: readonly string[] };
    // The command's has none.
    if (!callers) continue;
    const server = turns[Number(callers[0])]!;
    server.batches++;
    server.mostLost = Math.max(server.mostLost, Number(entry['lost_races']!.N));
  }
}
