import { expect, it } from 'vitest';
import { DYNAMODB } from '../../support/engines/dynamodb-engine.ts';
import { POSTGRES } from '../../support/engines/postgres-engine.ts';
import { faultRun } from '../frame/fault-run.ts';
import { at, backupEnd, callEnd, instantEnd, tableEnd } from './ends.ts';
import { killedAfterCommitSuite } from './killed-after-commit-suite.ts';
import type { End } from './lives.ts';
import { BACKUP_IN_PLACE, EARLY_ON_DYNAMODB, EARLY_ON_POSTGRES } from './patches.ts';
import { control, killRounds, limitMs } from './rounds.ts';

/** Every so many lives end in a backup. */
const LIVES_PER_BACKUP = 4;

const killedBackup: End = { at: 'a backup', point: 'in a backup', nth: 1, victim: 'the backup' };
/** The name of a control: it must lose what it has answered. */
const EARLY = 'replies before the commit';

const RUN = faultRun('kill', { short: LIVES_PER_BACKUP, long: 600 });

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
    await control(tally, 'a backup is written in its place', inPlace, /a backup that was killed in a backup is there/);
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(RUN),
);

const ON_POSTGRES = faultRun('kill', { short: 1, long: 100 });

it(
  'P1 to P7: on PostgreSQL, a server killed at each point of a call loses and repeats nothing',
  async (test) => {
    const tally = await killRounds(ON_POSTGRES, test, { engine: POSTGRES, endOf: callEnd });
    const early = { engine: POSTGRES, ends: [at('before the replies', 20)], patches: EARLY_ON_POSTGRES };
    await control(tally, EARLY, early, 'lost');
    const anew = 'a watch that begins anew without its cursor';
    const options = { engine: POSTGRES, ends: [], savesCursor: false };
    if (ON_POSTGRES.isLong) await control(tally, anew, options, /watched .* twice/);
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(ON_POSTGRES),
);

/** One life that ends after the put of the log, and one in a call. */
const ON_DYNAMODB = faultRun('kill', { short: 2, long: 100 });

it(
  'P1 to P7: on DynamoDB, a server killed at each point of a call and of its writes loses and repeats nothing',
  async (test) => {
    const beginningOf = ON_DYNAMODB.isLong
      ? {}
      : { beginningOf: () => ({ ends: [at('after the put of the log', 20)] }) };
    const tally = await killRounds(ON_DYNAMODB, test, { engine: DYNAMODB, endOf: tableEnd, ...beginningOf });
    const early: End = { at: 'a random instant', answers: 10, ms: 0 };
    await control(tally, EARLY, { engine: DYNAMODB, ends: [early], patches: EARLY_ON_DYNAMODB }, 'lost');
    const anew = 'a watch that begins anew without its cursor';
    const options = { engine: DYNAMODB, ends: [], savesCursor: false };
    if (ON_DYNAMODB.isLong) await control(tally, anew, options, /watched .* twice/);
    expect(() => tally.end()).not.toThrow();
  },
  limitMs(ON_DYNAMODB),
);

killedAfterCommitSuite(POSTGRES);
killedAfterCommitSuite(DYNAMODB);
