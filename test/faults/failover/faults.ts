import { AWAITS_STANDBY, commitAwaitsStandby } from '../../support/postgres/standby-wait.ts';
import type { Random } from '../frame/random.ts';
import type { Load } from '../history/load.ts';
import type { FailoverLab } from './lab.ts';

/** What goes wrong in the middle of a round, under load. */
export interface Fault {
  /** Resolves to another name for what it was, if chance made it something else. */
  inject(lab: FailoverLab, random: Random, load: Load): Promise<string | void>;

  /** Restores, while the load goes on, what the next round needs. */
  heal?(lab: FailoverLab): Promise<unknown>;
  /** No caller sees an error: another server, or another connection, is available at once. */
  readonly isUnseen?: boolean;
}

/** Answers on the new primary before the old one can be reached again. */
const ANSWERS_BESIDE = 40;
/** A batch of replays, or the confirmation of a read, which hold the lock that allocations wait for. */
const WITHOUT_ROW = 'write without a row stranded by a crash';

/** Each fault by its name in the record. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'primary killed, standby promoted': { inject: (lab) => lab.failOver(), heal: (lab) => lab.makeStandby() },

  'connection cut after COMMIT was sent': { inject: (lab) => lab.cutNextAnswer(), isUnseen: true },

  'server killed': {
    inject: (lab, random) => lab.killServer(random.pick(lab.servers)),
    heal: (lab) => lab.startServer(),
    isUnseen: true,
  },

  'primary killed and restarted': { inject: (lab) => lab.restartPrimary() },

  // The row stays on the primary, and reaches the standby later.
  'wait for the standby cancelled': {
    async inject(lab, random) {
      lab.replication.stall();
      await commitAwaitsStandby(lab);
      const end = random.chance(0.5) ? 'pg_cancel_backend' : 'pg_terminate_backend';
      await lab.query(`SELECT ${end}(pid) FROM pg_stat_activity WHERE ${AWAITS_STANDBY}`);
      await lab.replication.flow();
    },
  },

  // The primary comes back with rows that no standby has, and then has them sent.
  'row stranded by a crash, and kept': {
    async inject(lab) {
      lab.replication.stall();
      await commitAwaitsStandby(lab);
      await lab.restartPrimary();
      const isAhead = await lab.isAheadOfStandby();
      await lab.replication.flow();
      return isAhead ? undefined : WITHOUT_ROW;
    },
  },

  // The same rows, and the standby that never had them takes over: other requests get their numbers.
  'row stranded by a crash, and lost with its primary': {
    async inject(lab) {
      lab.replication.stall();
      await commitAwaitsStandby(lab);
      await lab.restartPrimary();
      const isAhead = await lab.isAheadOfStandby();
      await lab.failOver();
      return isAhead ? undefined : WITHOUT_ROW;
    },
    heal: (lab) => lab.makeStandby(),
  },

  // Nobody fenced it: it accepts writes, which wait for a standby that has left it.
  'old primary lives on beside the promoted one': {
    async inject(lab, _random, load) {
      const old = await lab.failOverBeside();
      await load.answers(ANSWERS_BESIDE);
      await lab.everyServerReads();
      await old.comesBack();
      await load.answers(ANSWERS_BESIDE);
      await old.isGone();
    },
    heal: (lab) => lab.makeStandby(),
  },
};
