import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Everything in a folder that a program could have changed: two states are equal if nothing was. */
export function folderState(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();
  return Object.fromEntries(['.', ...names].map((name) => [name, stateOf(join(folder, name))]));
}

function stateOf(path: string): string {
  const stat = statSync(path, { bigint: true });
  const { mode, uid, gid, size, mtimeNs, ctimeNs, ino } = stat;
  const content = stat.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
  return [mode, uid, gid, size, mtimeNs, ctimeNs, ino, content].join(' ');
}
