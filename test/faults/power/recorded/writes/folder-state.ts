import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordedWrite } from './record-writes.ts';

/** The bytes of a file. Never changed in place. */
export type Content = Buffer;

/** A folder's files, by their names. */
export type FolderState = ReadonlyMap<string, Content>;

/** What callers were told is no file of the disk. */
export const TOLD = 'told';

/** The content after a write or truncation. */
export function applied(content: Content, change: RecordedWrite): Content {
  if (change.kind === 'truncate') return sized(content, change.length);
  if (change.kind !== 'write') return content;
  const after = sized(content, Math.max(content.length, change.offset + change.bytes.length));
  change.bytes.copy(after, change.offset);
  return after;
}

/** A copy with this length; what is new is zero. */
export function sized(content: Content, length: number): Content {
  const result = Buffer.alloc(length);
  content.copy(result, 0, 0, Math.min(content.length, length));
  return result;
}

/** A folder as the running system sees it after some of the recorded writes, and after a kill. */
export class SeenFolder {
  readonly #files = new Map<string, Content>();

  apply(write: RecordedWrite): void {
    const before = this.#files.get(write.name) ?? Buffer.alloc(0);
    if (write.kind === 'create') this.#files.set(write.name, Buffer.alloc(0));
    if (write.kind === 'unlink' || write.kind === 'rename') this.#files.delete(write.name);
    if (write.kind === 'rename') this.#files.set(write.newName, before);
    if (write.kind === 'write' || write.kind === 'truncate') this.#files.set(write.name, applied(before, write));
  }

  /** Without what callers were told. */
  get state(): FolderState {
    return new Map([...this.#files].filter(([name]) => name !== TOLD));
  }
}

/** Most states share most of their files. */
const hashes = new WeakMap<Content, string>();

/** Two states with the same text are the same. */
export function hashOf(state: FolderState): string {
  const files = [...state].map(([name, content]) => `${name} ${contentHash(content)}`);
  return files.toSorted().join('\n');
}

function contentHash(content: Content): string {
  const known = hashes.get(content) ?? hash('sha1', content);
  hashes.set(content, known);
  return known;
}

/** Writes the files of a state into this folder, which has no others then. */
export function putInto(folder: string, state: FolderState): void {
  if (existsSync(folder)) for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  else mkdirSync(folder);
  for (const [name, content] of state) writeFileSync(join(folder, name), content);
}

/** Whether the folder still has these files, unchanged. What SQLite keeps beside a database only while it is open, is new. */
export function isIn(folder: string, state: FolderState): boolean {
  const names = readdirSync(folder).filter((name) => !/-shm$|\.lock$/.test(name));
  return (
    names.length === state.size &&
    names.every((name) => state.get(name)?.equals(readFileSync(join(folder, name))) === true)
  );
}
