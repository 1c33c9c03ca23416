import { globSync, readFileSync } from 'node:fs';
import type { Room } from './rooms.ts';

export const ROOT = new URL('../../..', import.meta.url).pathname;

/** One small change of the code, such as < for <=. */
export interface Mutant {
  /** Its number in the instrumented code; another one after a change of the code. */
  readonly id: string;
  readonly file: string;
  readonly lineNumber: number;
  /** The line that it begins in, without indentation. */
  readonly line: string;
  readonly mutator: string;
  readonly from: string;
  readonly to: string;
}

export interface MutatedRoom {
  readonly mutants: readonly Mutant[];
  /** The code with all mutants in it, each behind a switch, by the path from the root. */
  readonly code: Readonly<Record<string, string>>;
}

/** Installed by make test-mutations only. */
const INSTRUMENTER: string = '@stryker-mutator/instrumenter';

const QUIET_LOG = { debug: () => {}, info: () => {}, warn: () => {}, isDebugEnabled: () => false };

interface Instrumented {
  readonly files: readonly { readonly name: string; readonly content: string }[];
  readonly mutants: readonly {
    readonly id: string;
    readonly fileName: string;
    readonly location: { readonly start: Place; readonly end: Place };
    readonly mutatorName: string;
    readonly replacement: string;
  }[];
}

/** Both begin at 0. */
interface Place {
  readonly line: number;
  readonly column: number;
}

/** Two words or more: a message for people, or SQL. */
const PROSE = /\p{L}{2,}\W* \W*\p{L}{2,}/u;
const COMPARED = /([!=]== |case )$/;

export async function mutate(room: Room): Promise<MutatedRoom> {
  const files = globSync([...room.files], { cwd: ROOT })
    .toSorted()
    .map((name) => ({ name, content: readFileSync(ROOT + name, 'utf8'), mutate: true }));
  const result = await instrument(files);
  const contents = new Map(files.map(({ name, content }) => [name, content.split('\n')]));
  const mutants = result.mutants.map(({ id, fileName, location: { start, end }, mutatorName, replacement }): Mutant => {
    const lines = contents.get(fileName)!;
    const text = lines.slice(start.line, end.line + 1);
    text[text.length - 1] = text.at(-1)!.slice(0, end.column);
    text[0] = text[0]!.slice(start.column);
    const line = lines[start.line]!.trim();
    const from = text.join('\n');
    return { id, file: fileName, lineNumber: start.line + 1, line, mutator: mutatorName, from, to: replacement };
  });
  return {
    mutants: mutants.filter((mutant) => !isMessage(mutant, contents.get(mutant.file)!)),
    code: Object.fromEntries(result.files.map(({ name, content }) => [name, content])),
  };
}

async function instrument(files: readonly object[]): Promise<Instrumented> {
  const { Instrumenter } = (await import(INSTRUMENTER)) as {
    Instrumenter: new (log: object) => { instrument(files: readonly object[], options: object): Promise<Instrumented> };
  };
  const instrumenter = new Instrumenter(QUIET_LOG);
  return instrumenter.instrument(files, { plugins: null, excludedMutations: [], ignorers: [] });
}

/** Whether it empties a text that is for people or for a database, and not compared with another. */
function isMessage({ mutator, from, lineNumber }: Mutant, lines: readonly string[]): boolean {
  if (mutator !== 'StringLiteral' || !PROSE.test(from)) return false;
  const line = lines[lineNumber - 1]!;
  return !COMPARED.test(line.slice(0, line.indexOf(from.split('\n')[0]!)));
}
