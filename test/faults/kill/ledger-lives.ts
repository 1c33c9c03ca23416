import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { assertDense, readLedger } from '../../support/ledgers/density.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { rowsOf, version1Ledger } from '../../support/ledgers/version-1-ledger.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import type { Random } from '../frame/random.ts';
import type { Verdict } from '../history/check-history.ts';
import { checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Load } from '../history/load.ts';
import { Reader } from '../history/observers.ts';
import { Operator } from '../history/operators.ts';
import { pairOfRow } from '../history/pair.ts';
import type { End } from './lives.ts';
import { Lives } from './lives.ts';
import type { Broken } from './server/broken-sqlite.ts';
import { Tokens } from './tokens.ts';
import { RestartedWatcher } from './restarted-watcher.ts';

export interface LedgerLivesOptions {
  /** Default: SQLite. */
  readonly engine?: Engine;
  readonly random: Random;
  readonly ends: readonly End[];
  /** Told of each life, and whether it ended where it should. */
  onKilled?(end: End, isHit: boolean): void;
  /** Whether the ledger is one that an older release has filled, and the first server upgrades. */
  readonly isVersion1?: boolean;
  /** Whether operators ask and change things meanwhile. */
  readonly hasOperators?: boolean;
  readonly broken?: Broken;
  /** Changes of the source of all servers but the last. */
  readonly patches?: readonly Patch[];
  /** Whether the watch goes on at its cursor after each life. */
  readonly savesCursor?: boolean;
}

/** So many answers at the end, so that the last server has served. */
const LAST_ANSWERS = 100;
/** The tokens are changed before every third life. */
const LIVES_PER_CHANGE = 3;
/** Between two rounds of an operator's commands: a backup is a process, and takes as long as a server's start. */
const OPERATOR_PAUSE_MS = 2_000;
const READER_PAUSE_MS = 50;

/**
 * A new ledger and its servers, which are killed one after the other while callers go on with the same keys; at last the
 * whole history is compared with the rows.
 */
export async function ledgerLives(options: LedgerLivesOptions): Promise<Verdict> {
  const { engine, random, ends, onKilled, hasOperators = false, broken, patches = [], savesCursor = true } = options;
  const folder = testFolder();
  const ledger = (await engine?.newLedger()) ?? join(folder, 'orders.db');
  const address = await lastingAddress();
  const history = new History();
  if (options.isVersion1) history.earlier.push(...rowsOf(version1Ledger(ledger)).rows.map(pairOfRow));
  const tokens = new Tokens(join(folder, 'tokens.json'), address, history);
  const serveFlags = ['--tokens', tokens.path];
  const lives = new Lives({ folder, ledger, address, serveFlags, broken, patches, onBackup });
  const token = tokens.ofCallers;
  const client = createClient({ address, token });
  const watcher = new RestartedWatcher(client, history, { savesCursor });
  const load = new Load({
    history,
    addresses: [address],
    seed: random.below(2 ** 31),
    combining: 2,
    client: { token },
  });
  const others = hasOperators
    ? [
        new Operator({ client, history, backup: { ledger, folder }, pauseMs: OPERATOR_PAUSE_MS }),
        new Reader(client, history, 'a reader', READER_PAUSE_MS),
      ]
    : [];

  for (const [life, end] of ends.entries()) {
    let checked: Promise<void> | undefined;
    if (hasOperators && end.at !== 'a point' && life % LIVES_PER_CHANGE === 0) {
      await tokens.change();
      checked = tokens.check();
    }
    const isHit = await lives.live(end, load);
    onKilled?.(end, isHit);
    await checked;
    await watcher.restart();
  }

  const server = await lives.last();
  await load.answers(LAST_ANSWERS);
  await Promise.all([load.stop(), ...others.map((other) => other.stop())]);
  const contents = engine ? await engine.assertDense(ledger) : readLedger(ledger);
  const rows = 'rows' in contents ? contents.rows : contents;
  const last = rows.at(-1)!;
  const end = last.order_id + BigInt(last.count) - 1n;
  await watcher.reaches(end);
  await watcher.restart();
  await watcher.reaches(end);
  await watcher.stop();
  if (broken === undefined && patches.length === 0) await verify(client, history);
  client.close();
  const exitCode = await server.stop();
  if (exitCode !== 0) throw new Error(`the last server ended with ${exitCode}: ${server.said()}`);
  // One test has many of them.
  rmSync(folder, { recursive: true });
  return checkHistory(history, contents);

  function onBackup(copy: string, startMs: number): void {
    history.listed('a backup', startMs, assertDense(copy).map(pairOfRow));
  }
}

async function verify(client: OrderNumbersClient, history: History): Promise<void> {
  for await (const step of client.verifyLedger()) {
    if (step.kind === 'finding') history.contradict(`the last verification found: ${step.message}`);
    if (step.kind === 'verdict' && !step.ok) history.contradict('the last verdict is bad');
  }
}

/**
 * A free address that stays free while no server is there. On 127.0.0.1 any outgoing connection may take the port, even
 * one of a client to this very port, which then has connected to itself.
 */
async function lastingAddress(): Promise<string> {
  const address = await freeAddress();
  return process.platform === 'linux' ? address.replace('127.0.0.1', '127.0.0.2') : address;
}
