import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;

/** A folder of test/faults/ with a lab.json and the tests beside it. */
export interface Lab {
  readonly name: string;
  /** One line for --help. */
  readonly what: string;
  /** Its folder, and tests elsewhere that have a long form, too. */
  readonly tests: readonly string[];
}

/** All labs in the order of their names. lab.json has `what`, and `tests` that stand elsewhere, if there are any. */
export function labs(): readonly Lab[] {
  const paths = globSync('test/faults/*/lab.json', { cwd: ROOT }).toSorted();
  return paths.map((path) => {
    const { what, tests = [] } = JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Partial<Lab>;
    if (typeof what !== 'string') throw new Error(`${path} has no "what"`);
    return { name: basename(dirname(path)), what, tests: [`${dirname(path)}/`, ...tests] };
  });
}
