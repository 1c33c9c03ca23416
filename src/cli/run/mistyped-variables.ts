import { SERVE_SETTINGS } from '../../server/settings.ts';
import { CLIENT_VARIABLES } from './client-options.ts';
import type { Environment } from './environment.ts';
import { environment } from './environment.ts';

/** Variables that Kubernetes sets in every container for a service whose name begins with `orders`. */
const FOREIGN = /^ORDERS_(SERVICE_.*|PORT(_.*)?|.+_SERVICE_(HOST|PORT)(_.*)?|.+_PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$/;
/** Other servers have a variable for the port alone; here the port is part of the listen address. */
const PORT = /_PORT$/;
/** How our variables begin, spelled correctly and mistyped. */
const OURS = /^ORDERS_/;
const LOOKS_LIKE_OURS = /^ORD[A-Z]*_/i;
/** How many edits a mistyped name may be away from the intended one. */
const TYPO = 2;

/** One sentence per variable that looks like a setting but is not one. Values are never shown. */
export function mistypedVariables(env: Environment = environment()): string[] {
  const known = [...Object.values(SERVE_SETTINGS).map(({ variable }) => variable), ...CLIENT_VARIABLES];
  return Object.keys(env).flatMap((name) => {
    if (!LOOKS_LIKE_OURS.test(name) || known.includes(name) || FOREIGN.test(name)) return [];
    const [nearest, distance] = nearestOf(name.toUpperCase().replace(PORT, '_LISTEN'), known);
    if (!OURS.test(name) && distance > TYPO) return [];
    const hint =
      distance < nearest.length / 2 ? `: did you mean ${meanings(nearest)}?` : '; serve --help lists the settings';
    return [`the variable ${name} is not a setting${hint}`];
  });
}

/** Two names that are easily confused: a server that gets the wrong one would run without tokens. */
function meanings(variable: string): string {
  if (!variable.startsWith('ORDERS_TOKEN')) return variable;
  return 'ORDERS_TOKENS, the token file of a server, or ORDERS_TOKEN, the token of a client';
}

function nearestOf(name: string, known: readonly string[]): readonly [nearest: string, distance: number] {
  const distances = known.map((candidate) => {
    // ORDERS_LEDGER_PATH means ORDERS_LEDGER, however long the suffix is.
    const distance = name.startsWith(`${candidate}_`) ? 1 : distanceBetween(name, candidate);
    return [candidate, distance] as const;
  });
  return distances.reduce((best, one) => (one[1] < best[1] ? one : best));
}

/** Edits from one text to the other: characters added, removed or replaced (Levenshtein). */
function distanceBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (const [i, character] of [...one].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (character === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}
