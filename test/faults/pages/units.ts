import type { RunRecord } from '../frame/record.ts';

/** What a fault of some name counts; undefined if it is not a fault, but what became of one. */
type Unit = readonly [name: RegExp, unit: string | undefined];

/**
 * The units by lab; the first name that fits decides. One sum of all would tell nothing: a flood alone has millions of
 * frames.
 */
const UNITS: Readonly<Record<string, readonly Unit[]>> = {
  damage: [[/./, 'damaged files']],
  disk: [
    [/^(write|fsync|open|truncate):/, 'failing calls'],
    [/./, 'full or unusable disks'],
  ],
  dynamodb: [[/./, 'simulated faults']],
  failover: [
    [/killed/, 'kills'],
    [/^disk/, 'full or unusable disks'],
    [/./, 'interrupted commits'],
  ],
  fuzz: [[/./, 'hostile inputs']],
  hostile: [[/./, 'hostile frames, requests and connections']],
  kill: [[/./, 'kills']],
  model: [[/./, 'faults in models']],
  operators: [
    [/^kill/, 'kills'],
    [/./, 'moves to PostgreSQL'],
  ],
  power: [
    [/states, different$|^refused/, undefined],
    [/states, all$/, 'rebuilt disk states'],
    [/^power cut/, 'power cuts'],
    [/^kill/, 'kills'],
  ],
  simulator: [[/./, 'simulated faults']],
  time: [
    [/^a call/, undefined],
    [/./, 'stops, stalls and clock changes'],
  ],
};
const OTHER = 'faults';
/** The order of the page; any others stand between. */
const FIRST = ['kills', 'power cuts', 'rebuilt disk states', 'failing calls'];
const LAST = ['hostile inputs', 'hostile frames, requests and connections'];

/** How many kinds of faults these runs injected, and how many in all, by what they are. */
export function injectedIn(records: readonly RunRecord[]): {
  readonly kinds: number;
  readonly units: ReadonlyMap<string, number>;
} {
  const kinds = new Set<string>();
  const units = new Map<string, number>();
  for (const { lab, injected } of records) {
    for (const [fault, times] of Object.entries(injected)) {
      const unit = unitOf(lab, fault);
      if (unit === undefined) continue;
      kinds.add(`${lab} ${fault}`);
      units.set(unit, (units.get(unit) ?? 0) + times);
    }
  }
  return { kinds: kinds.size, units: new Map([...units].toSorted(([a], [b]) => rankOf(a) - rankOf(b))) };
}

function rankOf(unit: string): number {
  const first = FIRST.indexOf(unit);
  return first >= 0 ? first : FIRST.length + 1 + LAST.indexOf(unit);
}

function unitOf(lab: string, fault: string): string | undefined {
  const known = UNITS[lab]?.find(([name]) => name.test(fault));
  return known ? known[1] : OTHER;
}
