import type { Allocated } from '../../../../src/core/calls/caller.ts';
import { OrderError } from '../../../../src/core/errors.ts';
import type { Random } from '../../seeded/random.ts';
import type { SeenCall } from '../../seeded/run-judge.ts';
import type { RunRecord } from '../../seeded/run-record.ts';
import { NOBODY } from '../table/simulated-client.ts';
import type { Plan, PlannedCall } from './plan.ts';
import type { Servers } from './servers.ts';

/** How long a caller waits for a server that is up. */
const NO_SERVER_MS = 50;

/** The callers that ask for numbers, and what they saw. */
export class Callers {
  readonly calls: SeenCall[] = [];
  readonly #plan: Plan;
  readonly #record: RunRecord;
  readonly #servers: Servers;
  readonly #random: Random;
  #open = 0;

  constructor(plan: Plan, record: RunRecord, servers: Servers, random: Random) {
    this.#plan = plan;
    this.#record = record;
    this.#servers = servers;
    this.#random = random;
  }

  get unanswered(): number {
    return this.#open;
  }

  begin(): void {
    for (const call of this.#plan.calls) this.callLater(call, call.atMs);
  }

  callLater(call: PlannedCall, ms: number): void {
    this.#open++;
    this.#after(ms, () => this.#call(call));
  }

  #call(planned: PlannedCall): void {
    const { clock } = this.#servers;
    const life = this.#servers.at(planned.server);
    if (!life) return this.#after(NO_SERVER_MS, () => this.#call(planned));
    this.#servers.as(life);
    const { storeId, requestId, count, cancelAfterMs } = planned;
    const seen: SeenCall = {
      storeId,
      requestId,
      count,
      start: clock.turns,
      end: Infinity,
      answer: undefined,
      error: undefined,
    };
    this.calls.push(seen);
    this.#record.note('call', `${storeId} ${requestId} × ${count} to ${life.name}`);
    const signal = { aborted: cancelAfterMs === 0 };
    if (cancelAfterMs) {
      clock.after(
        cancelAfterMs,
        () => {
          signal.aborted = true;
        },
        NOBODY,
      );
    }
    const end = (answer: Allocated | undefined, error: SeenCall['error']) => {
      life.onKilled.delete(killed);
      seen.end = clock.turns;
      seen.answer = answer && { ...answer.allocation, replayed: answer.replayed };
      seen.error = error;
      this.#ended(planned, seen);
    };
    const killed = () => end(undefined, { outcome: 'unknown', code: 'UNAVAILABLE', reason: undefined });
    life.onKilled.add(killed);
    life.allocator
      .allocate({ storeId, requestId, count, caller: 'shop', signal, origin: `place ${planned.server}` })
      .then(
        (answer) => void (life.process.isDead || end(answer, undefined)),
        (error: unknown) => void (life.process.isDead || end(undefined, this.#errorOf(error))),
      );
  }

  #errorOf(error: unknown): SeenCall['error'] {
    if (!(error instanceof OrderError)) {
      this.#record.violated(`a call failed with ${String(error)}`);
      return { outcome: 'unknown', code: 'INTERNAL', reason: undefined };
    }
    const { reason } = error;
    return { outcome: reason === 'OUTCOME_UNKNOWN' ? 'unknown' : 'refused', code: 'UNKNOWN', reason };
  }

  #ended(planned: PlannedCall, { storeId, requestId, answer, error }: SeenCall): void {
    this.#open--;
    const what = answer
      ? `a call: ${answer.replayed ? 'a replay' : 'new numbers'}`
      : `a call: ${error!.outcome} ${error!.reason ?? 'its server died'}`;
    this.#record.reached(what);
    this.#record.note('answer', `${storeId} ${requestId}: ${answer?.orderId ?? ''} ${what}`);
    const mayRetry = error?.outcome === 'unknown' || error?.reason === 'DRAINING';
    if (!mayRetry || planned.retries === 0) return;
    const server = this.#random.below(this.#plan.servers.length);
    const again = { ...planned, server, retries: planned.retries - 1, cancelAfterMs: undefined };
    this.callLater(again, this.#random.pick([1, 20, 400, 3000]));
  }

  #after(ms: number, run: () => void): void {
    this.#servers.clock.after(ms, run, NOBODY);
  }
}
