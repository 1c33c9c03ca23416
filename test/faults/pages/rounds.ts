import type { RunRecord } from '../frame/record.ts';

/** What one round of a lab is. */
const ROUND: Readonly<Record<string, string>> = {
  damage: 'a flipped bit in each part of the database, or one damaged WAL or mark',
  disk: 'one failing call, or one full, read-only or closed disk; each different failing call comes up once at most',
  dynamodb: 'one seed: the life of a simulated table and its servers',
  failover: 'one fault under load',
  fuzz: 'one input',
  hostile: 'every attack, once',
  kill: 'one kill under load',
  model: 'one random sequence of commands and faults',
  operators: 'one kill of a server, and changes by an operator before and after it',
  power:
    'one power cut, or one kill; where disk states are rebuilt, one recorded ledger, or one more random cut at each of its writes',
  simulator: 'one seed: the life of a simulated server and its clients',
  time: 'one stop, stall or change of the clock',
};

/** A sentence; empty for a lab that is not known here. */
export function roundText(lab: string): string {
  return lab in ROUND ? `A round is ${ROUND[lab]}.` : '';
}

/** The rounds that a run really had. */
export function roundsOf({ lab, test, rounds, injected }: RunRecord): number {
  // An input is a round wherever it is sent; `--rounds` says how many go to the parsers, and fewer go over the wire.
  if (lab === 'fuzz') return Object.values(injected).reduce((sum, times) => sum + times, 0);
  return test.startsWith('control:') ? 1 : rounds;
}
