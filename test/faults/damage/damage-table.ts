import { CASES } from './cases.ts';
import { FLIP_ROWS } from './flips.ts';
import { RUNNING_CASES } from './running-cases.ts';
import { NOTICES } from './service.ts';

/** What a row has in a column that says nothing of it. */
const NONE = '–';

/** The table of docs/reliability.md, "Damage and roll-back". */
export function damageTable(): readonly (readonly [
  damage: string,
  noticed: string,
  risk: string,
  unnoticed: string,
])[] {
  return [...flips(), ...cases(), ...running()];
}

function flips() {
  return FLIP_ROWS.map(({ damage, noticed, unnoticed, mayLeaveHole, mayReadWrong, mayGiveTwice }) => {
    const risks = [
      mayLeaveHole && 'a hole',
      mayReadWrong && 'wrong lookups',
      mayGiveTwice && 'a second pair for a retry',
    ].filter((each) => each !== undefined);
    const risk = risks.length > 0 ? `until verify runs: ${risks.join(', ')}` : NONE;
    return [`a flipped bit in the ${damage}`, anyOf(noticed), risk, unnoticed || NONE] as const;
  });
}

function cases() {
  const rows = Map.groupBy(CASES, ({ damage }) => damage);
  return [...rows].map(([damage, [first]]) => {
    const noticed = NOTICES.filter((notice) => first!.noticed[notice]);
    return [damage, noticed.join(', ') || 'not noticed', first!.risk ?? NONE, NONE] as const;
  });
}

function running() {
  const rows = Map.groupBy(RUNNING_CASES, ({ damage }) => damage);
  return [...rows].map(([damage, [first]]) => {
    const noticed = first!.ends
      ? 'a commit, or within a second: the server exits'
      : first!.read
        ? 'a read'
        : 'not noticed';
    return [damage, noticed, first!.risk ?? NONE, NONE] as const;
  });
}

function anyOf(notices: readonly string[]): string {
  return `${notices.slice(0, -1).join(', ')} or ${notices.at(-1)}`;
}
