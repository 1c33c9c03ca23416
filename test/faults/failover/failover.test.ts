import { expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { FailoverLab } from './lab.ts';
import type { Kind, Tally } from './rounds.ts';
import { Rounds } from './rounds.ts';

const RUN = faultRun('failover', { short: 8, long: 160 });
const IS_LONG = RUN.isLong;
const ROUNDS: Readonly<Record<Kind, number>> = IS_LONG
  ? { 'kill with promotion': 50, 'cut after COMMIT': 50, 'server kill': 50, 'restart without failover': 10 }
  : { 'kill with promotion': 2, 'cut after COMMIT': 3, 'server kill': 2, 'restart without failover': 1 };
const SERVERS = 3;
/** Faults without an error for any caller: another server, or another connection, is available at once. */
const WITHOUT_ERRORS: readonly Kind[] = ['cut after COMMIT', 'server kill'];

it(
  'P1 P2 P3 P4 P5: whatever dies, three servers on one ledger lose nothing, number nothing twice and leave no hole',
  async () => {
    const rounds = new Rounds(await FailoverLab.start({ servers: SERVERS }));
    for (const kind of interleaved()) {
      const startMs = performance.now();
      await rounds.run(kind);
      if (!IS_LONG) continue;
      const { rounds: number } = rounds.tallies.get(kind)!;
      say(`${kind} ${number} of ${ROUNDS[kind]}: ${Math.round(performance.now() - startMs)} ms`);
    }
    await rounds.stop();
    await rounds.assertKept();

    if (IS_LONG) for (const [kind, tally] of rounds.tallies) say(summary(kind, tally));
    // Reads were answered in the rounds of every kind.
    for (const { reads } of rounds.tallies.values()) expect(reads).toBeGreaterThan(0);
    for (const kind of WITHOUT_ERRORS) expect(rounds.tallies.get(kind)).toMatchObject({ errors: 0 });
  },
  timeoutMs(RUN),
);

/** All rounds; the kinds take turns until each has had its rounds. */
function interleaved(): Kind[] {
  const kinds = Object.keys(ROUNDS) as Kind[];
  const most = Math.max(...Object.values(ROUNDS));
  return Array.from({ length: most }, (_, i) => kinds.filter((kind) => i < ROUNDS[kind])).flat();
}

function summary(kind: Kind, { rounds, calls, acknowledged, errors, slowestMs, reads }: Tally): string {
  return (
    `${kind}: ${rounds} rounds, ${calls} calls, ${acknowledged} acknowledged, ${errors} errors, ` +
    `slowest answer ${Math.round(slowestMs)} ms, ${reads} reads`
  );
}

/** Bypasses vitest, which puts a heading above each line. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
