import { readFileSync } from 'node:fs';
import type { Mutant } from './mutants.ts';

/** A mutant that no test can or has to notice, as survivors.json names it. */
export interface KnownSurvivor {
  readonly file: string;
  /** Without indentation. */
  readonly line: string;
  readonly change: string;
}

export interface SurvivorGroup {
  readonly why: string;
  readonly mutants: readonly KnownSurvivor[];
}

export function knownSurvivors(): readonly SurvivorGroup[] {
  return JSON.parse(readFileSync(new URL('survivors.json', import.meta.url), 'utf8')) as SurvivorGroup[];
}

/** The name of a mutant that stays as long as its line does. */
export function nameOf({ file, line, from, to }: Mutant): KnownSurvivor {
  return { file, line, change: `${short(from)} → ${short(to)}` };
}

function short(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 80);
}

/** How a run differs from the list: survivors that are not in it, and those of the list that were noticed or are gone. */
export function differences(
  survived: readonly Mutant[],
  known: readonly KnownSurvivor[],
): { readonly unknown: readonly Mutant[]; readonly noticed: readonly KnownSurvivor[] } {
  const keyOf = ({ file, line, change }: KnownSurvivor) => JSON.stringify([file, line, change]);
  const left = Map.groupBy(known, keyOf);
  const unknown = survived.filter((mutant) => left.get(keyOf(nameOf(mutant)))?.pop() === undefined);
  return { unknown, noticed: [...left.values()].flat() };
}
