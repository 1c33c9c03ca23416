import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FOLDER = 'test/faults/planted';
/** Between the file, the suites and the title of a test, as vitest prints them. */
const STEP = ' > ';

export type Project = 'plain' | 'tools';

/** One bug to plant, and the test that must notice it. */
export interface PlantedBug {
  readonly name: string;
  /** The folder of the patch: a room of src. */
  readonly room: string;
  /** The bug, in one sentence. */
  readonly what: string;
  /** The promises, or the rule, that it breaks. */
  readonly breaks: string;
  /** The file of the test, as from the root. */
  readonly file: string;
  /** Its suites and its title. */
  readonly titles: readonly string[];
  readonly project: Project;
  readonly changes: readonly Change[];
}

/** What a patch replaces in one place of a file. */
export interface Change {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** A patch that cannot be read, or that no longer fits the tree. */
export class BadPatch extends Error {
  override readonly name = 'BadPatch';
}

/** The bugs of the patches in this folder, by room and name. Throws {@link BadPatch}. */
export function plantedBugs(): readonly PlantedBug[] {
  return globSync(`${FOLDER}/*/*.patch`, { cwd: ROOT })
    .toSorted()
    .map((path) => bugOf(path, readFileSync(join(ROOT, path), 'utf8')));
}

/** Reads a unified diff with a header of `Name: value` lines. Throws {@link BadPatch}. */
export function bugOf(path: string, text: string): PlantedBug {
  const start = text.search(/^--- /m);
  const header = new Map(
    [...text.slice(0, start).matchAll(/^(\w+): (.+)$/gm)].map(([, name, value]) => [name, value!]),
  );
  const valueOf = (name: string): string => {
    const value = header.get(name);
    if (value === undefined) throw new BadPatch(`${path} has no line "${name}: …" before its diff`);
    return value;
  };
  const [file = '', ...titles] = valueOf('Test').split(STEP);
  if (titles.length === 0) throw new BadPatch(`${path}: its test is not "file${STEP}title"`);
  return {
    name: basename(path, '.patch'),
    room: basename(dirname(path)),
    what: valueOf('Bug'),
    breaks: valueOf('Breaks'),
    file,
    titles,
    project: file.endsWith('.tools.test.ts') ? 'tools' : 'plain',
    changes: changesIn(path, text.slice(start)),
  };
}

/** The text with the change made. Throws {@link BadPatch} unless the place is there, and only once. */
export function withChange(text: string, { path, before, after }: Change): string {
  const places = text.split(before).length - 1;
  if (places !== 1) throw new BadPatch(`${path} has ${places} places that the patch fits`);
  return text.replace(before, () => after);
}

/** The name of its test in the results of vitest. */
export function nameOf({ titles }: PlantedBug): string {
  return titles.join(STEP);
}

/** Each hunk of the diff. A line without its newline at the end of a file is not known here. */
function changesIn(path: string, diff: string): Change[] {
  const changes: Change[] = [];
  let file: string | undefined;
  for (const part of diff.split(/^(?=--- |@@ )/m)) {
    const lines = part.split('\n').slice(0, -1);
    if (part.startsWith('--- ')) {
      file = /^\+\+\+ b\/(\S+)/m.exec(part)?.[1];
      continue;
    }
    if (file === undefined) throw new BadPatch(`${path} has a hunk before the name of its file`);
    const side = (mark: string) =>
      lines
        .slice(1)
        .filter((line) => line.startsWith(' ') || line.startsWith(mark))
        .map((line) => `${line.slice(1)}\n`)
        .join('');
    changes.push({ path: file, before: side('-'), after: side('+') });
  }
  if (changes.length === 0) throw new BadPatch(`${path} has no hunk`);
  return changes;
}
