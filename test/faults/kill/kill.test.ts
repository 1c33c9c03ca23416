import { expect, it } from 'vitest';
import type { Engine } from '../../support/engines/engines.ts';
import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { faultRun } from '../frame/fault-run.ts';
import type { Tally } from '../frame/tally.ts';
import { at, backupEnd, callEnd, instantEnd, tableEnd } from './ends.ts';
import { killedAfterCommitSuite } from './killed-after-commit-suite.ts';
import type { End } from './lives.ts';
import { BACKUP_IN_PLACE, EARLY_ON_DYNAMODB, EARLY_ON_POSTGRES } from './patches.ts';
import { control, killRounds, limitMs } from './rounds.ts';

/** One in this many lives ends in a backup. */
const LIVES_PER_BACKUP = 4;

const killedBackup: End = { at: 'a backup', point: 'in a backup', nth: 1, victim: 'the backup' };
/** The name of a control: it must lose what it has answered. */
const EARLY = 'replies before the commit';

/** One life that ends at a random instant, and one in a backup. */
const RUN = faultRun('kill', { short: 2, long: 600 });

it(
  'P1 to P7: kill -9 at random instants and in backups, while operators ask, loses and repeats nothing',
  async (test) => {
    const tally = await killRounds(RUN, test, {
      hasOperators: true,
      endOf: (life, random) => {
        if (life % LIVES_PER_BACKUP === 1) return backupEnd(Math.floor(life / LIVES_PER_BACKUP), random);
        return instantEnd(random, RUN.isLong ? 4_000 : 400);
      },
    });
    await control(tally, EARLY, { ends: [at('before BEGIN', 31)], broken: EARLY }, 'lost');
    const inPlace = { ends: [killedBackup], patches: BACKUP_IN_PLACE };
    const isThere = /a backup that was killed in a backup is there/;
    if (RUN.isLong) await control(tally, 'a backup is written in its place', inPlace, isThere);
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(RUN),
);

const ON_POSTGRES = faultRun('kill', { short: 1, long: 100 });

it(
  'P1 to P7: on PostgreSQL, a server killed at each point of a call loses and repeats nothing',
  async (test) => {
    const tally = await killRounds(ON_POSTGRES, test, { engine: POSTGRES, endOf: callEnd });
    if (ON_POSTGRES.isLong) await controls(tally, POSTGRES, at('before the replies', 20), EARLY_ON_POSTGRES);
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(ON_POSTGRES),
);

const ON_DYNAMODB = faultRun('kill', { short: 1, long: 100 });

it(
  'P1 to P7: on DynamoDB, a server killed at each point of a call and of its writes loses and repeats nothing',
  async (test) => {
    const beginningOf = ON_DYNAMODB.isLong
      ? {}
      : { beginningOf: () => ({ ends: [at('after the put of the log', 20)] }) };
    const tally = await killRounds(ON_DYNAMODB, test, { engine: DYNAMODB, endOf: tableEnd, ...beginningOf });
    const answered: End = { at: 'a random instant', answers: 10, ms: 0 };
    if (ON_DYNAMODB.isLong) await controls(tally, DYNAMODB, answered, EARLY_ON_DYNAMODB);
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(ON_DYNAMODB),
);

/**
 * The controls of the engines whose servers are killed at the points of a call. The short form has those of SQLite
 * alone.
 */
async function controls(tally: Tally, engine: Engine, end: End, early: readonly Patch[]): Promise<void> {
  await control(tally, EARLY, { engine, ends: [end], patches: early }, 'lost');
  const anew = 'a watch that begins anew without its cursor';
  await control(tally, anew, { engine, ends: [], savesCursor: false }, /watched .* twice/);
}

killedAfterCommitSuite(POSTGRES);
killedAfterCommitSuite(DYNAMODB);
