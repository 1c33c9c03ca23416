import { engineOf } from '../engines/location.ts';
import type { ServeSettings } from './settings.ts';

/** Settings that are valid one by one, but not together. */
export interface Contradiction {
  readonly flag: string;
  /** One sentence that names the flags and the remedy. */
  readonly text: string;
  /** The settings that it is about. */
  readonly between: readonly (keyof ServeSettings)[];
}

/** All contradictions, the most important one first. */
export function contradictions(settings: ServeSettings): Contradiction[] {
  return [standbyOfAFile(settings)].filter((found) => found !== undefined);
}

function standbyOfAFile({ ledger, ledgerRead }: ServeSettings): Contradiction | undefined {
  if (ledgerRead === 'off' || engineOf(ledger) === 'postgres') return undefined;
  const text = `--ledger-read needs a PostgreSQL ledger, but --ledger is ${ledger}: omit it, or give --ledger postgres://…`;
  return { flag: '--ledger-read', text, between: ['ledger', 'ledgerRead'] };
}
