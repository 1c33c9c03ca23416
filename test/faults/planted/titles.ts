import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Where vitest puts the values of a row into a title: %s, ${name} and $name. */
const PLACE = /%[sdifjoOc#$%]|\\\$\\\{[^}]*\\\}|\\\$\w+/g;

const known = new Map<string, readonly RegExp[]>();

/** Whether a test file, or what it imports of the tests, has a text that may be this title. Fast, and no proof. */
export function hasTitle(file: string, title: string): boolean {
  return textsIn(file).some((pattern) => pattern.test(title));
}

/** The strings of a test file and of the suites that it imports, as patterns of titles. */
function textsIn(file: string, seen = new Set<string>()): readonly RegExp[] {
  if (seen.has(file) || !existsSync(join(ROOT, file))) return [];
  seen.add(file);
  const found = known.get(file);
  if (found) return found;
  const code = readFileSync(join(ROOT, file), 'utf8');
  const strings = code.matchAll(/'((?:[^'\\\n]|\\.)+)'|`((?:[^`\\]|\\.)+)`|"((?:[^"\\\n]|\\.)+)"/g);
  const own = Array.from(strings, ([, single, template, double]) => patternOf(single ?? template ?? double ?? ''));
  const imports = [...code.matchAll(/from '(\.[^']+)'/g)].map(([, path]) => join(dirname(file), path!));
  const others = imports.filter((path) => path.startsWith('test/')).flatMap((path) => textsIn(path, seen));
  const all = [...own, ...others];
  known.set(file, all);
  return all;
}

function patternOf(text: string): RegExp {
  const plain = text.replaceAll(/\\(['"`\\])/g, '$1');
  // Not RegExp.escape, which writes the first letter as a code.
  const escaped = plain.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll(PLACE, '.*')}$`, 's');
}
