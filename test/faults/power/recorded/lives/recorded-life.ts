import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../../frame/random.ts';
import { LedgerLife, STYLED_STORE, requestIdOf } from './ledger-life.ts';
import type { AskedOrder } from './told.ts';

// A program: `recorded-life.ts FOLDER PHASE [SEED]`, a part of the life of the ledger orders.db in this folder, with
// everything that changes its files, for write-recorder.c. It ends as if it was killed.

const [folder = '', phase = '', seed = '0'] = process.argv.slice(2);
const life = new LedgerLife(folder);
const STORES = 300;
let keys = 0;

function order(storeId: number, count = 1): AskedOrder {
  return { requestId: requestIdOf(keys++), storeId: BigInt(storeId), count };
}

/** New keys, in the stores that the last page of their table has. */
function give(count: number, times = 1): void {
  for (let i = 0; i < times; i++) life.commit(Array.from({ length: count }, (_, n) => order(STORES - (n % 3))));
}

async function live(): Promise<void> {
  life.open();
  // Many pages, of which a later commit touches few.
  life.commit(Array.from({ length: 2 * STORES }, (_, n) => order(1 + (n % STORES))));
  await life.backup();
  life.checkpoint(() => give(2));
  give(3, 2);
  await life.backup();
  life.createStore(1000n);
  life.style('A'.repeat(20));
  life.checkpoint();
  await life.backup();
  life.style('C');
  life.checkpoint();
  give(3);
  await life.backup();
  give(3);
  life.checkpoint(() => give(1));
  give(1, 2);
  life.close();
  await life.backup();
  life.open();
  give(2, 2);
  life.readMeanwhile(() => {
    give(2);
    life.checkpoint();
    give(2);
  });
  life.checkpoint();
  give(2, 2);
}

/** After a kill: what is in the WAL has to be found. */
function goOn(): void {
  keys = 5000;
  life.open();
  give(2, 2);
  life.checkpoint();
  life.style('B');
  give(2);
}

/** Whatever comes, after a retry of all that the last process was asked and did not answer. */
async function wander(): Promise<void> {
  const random = new Random(Number(seed));
  keys = 10_000 + 1000 * Number(seed);
  life.open();
  if (life.told.open.length > 0 && random.chance(0.7)) life.commit(life.told.open);
  if (life.told.asked.size === 0) life.commit([order(Number(STYLED_STORE))]);
  const next = () => {
    const asked = [...life.told.asked.values()];
    if (asked.length > 0 && random.chance(0.1)) return random.pick(asked);
    return order(random.between(10, 49), random.chance(0.2) ? random.between(2, 4) : 1);
  };
  const commit = () => {
    const size = random.chance(0.1) ? random.between(10, 60) : random.between(1, 5);
    const batch = Array.from({ length: size }, next);
    // The allocator joins copies before they come here.
    life.commit([...new Map(batch.map((each) => [each.requestId, each])).values()]);
  };
  const commitUpTo = (most: number) => {
    for (let i = random.between(1, most); i > 0; i--) commit();
  };
  const steps: readonly (() => void)[] = [
    ...Array.from({ length: 12 }, () => commit),
    () => life.checkpoint(),
    () => life.checkpoint(() => commitUpTo(3)),
    () => life.style(`P${random.below(1000)}`),
    () => {
      life.readMeanwhile(() => {
        commitUpTo(2);
        life.checkpoint(() => commitUpTo(2));
        commit();
      });
      if (random.chance(0.5)) life.checkpoint();
    },
  ];
  for (let i = random.between(20, 40); i > 0; i--) {
    random.pick(steps)();
    if (random.chance(0.03)) await life.backup();
    if (random.chance(0.03)) {
      life.close();
      life.open();
    }
  }
  const fault = random.pick(['kills', 'kills', 'fails', ''] as const);
  if (fault !== '') arm(fault);
  give(2);
}

/** The fsync of its last commit fails, or it is killed before it. */
function dieAtSync(fault: 'fails' | 'kills'): void {
  life.open();
  give(3, 2);
  keys = 6000;
  arm(fault);
  give(3);
  throw new Error('the commit did not fail');
}

/** Retries what was not answered, and numbers `more`. */
function retry(more: number): void {
  keys = 7000;
  life.open();
  life.commit(life.told.open);
  give(1, more);
}

/** Opens the ledger of an older release, which upgrades it. */
function upgrade(): void {
  life.open();
  give(2, 2);
  life.checkpoint();
  give(2);
}

/** At the next fsync of the WAL. */
function arm(fault: 'fails' | 'kills'): void {
  writeFileSync(join(folder, '..', 'armed'), fault);
}

const phases: Readonly<Record<string, () => void | Promise<void>>> = {
  lives: live,
  'goes on': goOn,
  wanders: wander,
  'fails a sync': () => dieAtSync('fails'),
  'is killed before a sync': () => dieAtSync('kills'),
  retries: () => retry(0),
  'retries and goes on': () => retry(100),
  upgrades: upgrade,
};
try {
  await phases[phase]!();
} catch (error) {
  // The writer reports it, and the process dies before it can look at what is on disk.
  if (!String(error).includes('disk I/O error')) throw error;
}
process.kill(process.pid, 'SIGKILL');
