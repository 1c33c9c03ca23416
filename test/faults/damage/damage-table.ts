import { CASES } from './cases.ts';
import { FLIP_ROWS } from './flips.ts';
import { RUNNING_CASES } from './running-cases.ts';
import { NOTICES } from './service.ts';

const NOTHING = 'nothing';

/** The table of docs/reliability.md, "Damage and roll-back": damage, who notices it, and what is at risk. */
export function damageTable(): readonly (readonly [damage: string, noticed: string, risk: string])[] {
  return [...flips(), ...cases(), ...running()];
}

function flips() {
  return FLIP_ROWS.map(({ damage, noticed, unnoticed, mayLeaveHole, mayReadWrong, mayGiveTwice }) => {
    const meanwhile = [
      mayLeaveHole && 'numbering may go on above a hole',
      mayReadWrong && 'lookups may be wrong',
      mayGiveTwice && 'a retry may be numbered again',
    ].filter((each) => each !== undefined);
    const risks = [
      meanwhile.length > 0 && `until verify has run, ${meanwhile.join(', ')}`,
      unnoticed !== '' && `not noticed: ${unnoticed}`,
    ];
    return [`a flipped bit in the ${damage}`, anyOf(noticed), risks.filter(Boolean).join('; ') || NOTHING] as const;
  });
}

function cases() {
  const rows = Map.groupBy(CASES, ({ damage }) => damage);
  return [...rows].map(([damage, [first]]) => {
    const noticed = NOTICES.filter((notice) => first!.noticed[notice]);
    return [damage, noticed.join(', ') || 'nobody', first!.risk ?? NOTHING] as const;
  });
}

function running() {
  const rows = Map.groupBy(RUNNING_CASES, ({ damage }) => damage);
  return [...rows].map(([damage, [first]]) => {
    const noticed = first!.ends ? 'a commit, or within a second: the server ends' : first!.read ? 'a read' : 'nobody';
    return [damage, noticed, first!.risk ?? NOTHING] as const;
  });
}

function anyOf(notices: readonly string[]): string {
  return `${notices.slice(0, -1).join(', ')} or ${notices.at(-1)}`;
}
