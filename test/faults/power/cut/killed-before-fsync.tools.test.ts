import { expect, it } from 'vitest';
import { createClient } from '../../../../src/client/index.ts';
import { FsyncShim } from '../../../support/disk/fsync-shim.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Tally } from '../../frame/tally.ts';
import { checkHistory } from '../../history/check-history.ts';
import { History } from '../../history/history.ts';
import { pairOf } from '../../history/pair.ts';
import { LIMIT_MS } from '../limit.ts';
import type { Patch } from '../patched-source.ts';
import { IN_ONE_PROCESS, WITHOUT_CHECKPOINT, patched } from '../patches.ts';
import { CutLedger, TOOLS } from './cut-ledger.ts';

const RUN = faultRun('power', { short: 1, long: 20 });
const LANES = RUN.isLong ? 4 : 1;
const CONTROL_ROUNDS = 10;
/** A client retries for this long, over restarts. */
const TIMEOUT_MS = 100_000;

it(
  'P1 P2 P4 P5: what was replayed after a kill before its fsync survives a power cut right after the replay',
  async (test) => {
    requireTools(test, ...TOOLS);
    const tally = new Tally(RUN, test.task.name);
    let round = 0;
    await Promise.all(
      Array.from({ length: LANES }, async () => {
        const lane = await ReplayLane.create([]);
        while (round++ < RUN.rounds) {
          tally.progress(round);
          await lane.round(tally);
        }
        const verdict = await lane.verdict();
        expect(verdict.violations).toEqual([]);
        tally.count(verdict);
      }),
    );
    const says = await controlWithoutCheckpoint();
    tally.control(
      'a start without a checkpoint',
      says !== undefined,
      says ?? `nothing lost in ${CONTROL_ROUNDS} rounds`,
    );
    tally.end();
  },
  Math.max(timeoutMs(RUN), LIMIT_MS),
);

async function controlWithoutCheckpoint(): Promise<string | undefined> {
  // In one process, so that it starts before the system writes back what the killed server left in its memory.
  const lane = await ReplayLane.create([...WITHOUT_CHECKPOINT, ...IN_ONE_PROCESS]);
  for (let round = 1; round <= CONTROL_ROUNDS; round++) {
    await lane.round();
    try {
      const { lost, twice, violations } = await lane.verdict();
      if (lost + twice > 0) return `in round ${round}: ${violations[0]}`;
    } catch (error) {
      return `in round ${round} the start was refused: ${String(error).slice(0, 300)}`;
    }
  }
  return undefined;
}

/** One ledger, and one client that retries by itself. */
class ReplayLane {
  readonly #ledger: CutLedger;
  readonly #shim = new FsyncShim();
  readonly #history = new History();
  readonly #patches: readonly Patch[];
  #rounds = 0;

  private constructor(ledger: CutLedger, patches: readonly Patch[]) {
    this.#ledger = ledger;
    this.#patches = patches;
  }

  /** The patches are those of the server that replays. */
  static async create(patches: readonly Patch[]): Promise<ReplayLane> {
    return new ReplayLane(await CutLedger.create(), patches);
  }

  /** An order on disk, one whose server is killed before its fsync, its replay by the next server, and the cut. */
  async round(tally?: Tally): Promise<void> {
    this.#rounds++;
    const server = await this.#ledger.start(this.#shim.env);
    await this.#allocate('first');
    const next = await this.#ledger.prepare(patched(...this.#patches));
    this.#shim.arm('fsync-fails-then-killed');
    const retried = this.#allocate('killed');
    await server.exit();
    tally?.inject('kill between a write and its fsync');
    await next();
    if (!(await retried)) throw new Error('it was not replayed, but numbered by the second server');
    await this.#ledger.cut('stopped');
    tally?.inject('power cut after a replay');
  }

  /** What a server on the recovered disk says to the same requests, and what the ledger has. */
  async verdict() {
    const server = await this.#ledger.start();
    for (let round = 1; round <= this.#rounds; round++) await this.#allocate('killed', round);
    await server.stop();
    return checkHistory(this.#history, assertDense(this.#ledger.path));
  }

  /** Resolves when it is answered; whether with a replay. */
  async #allocate(name: string, round = this.#rounds): Promise<boolean> {
    const client = createClient({ address: this.#ledger.address, timeoutMs: TIMEOUT_MS });
    const asked = { storeId: BigInt(1 + (round % 3)), requestId: `${name}-${round}`, count: 1 + (round % 7) };
    const call = this.#history.begin('client', asked);
    try {
      const answer = await client.allocate(asked);
      this.#history.answered(call, pairOf(answer), answer.replayed);
      return answer.replayed;
    } finally {
      client.close();
    }
  }
}
