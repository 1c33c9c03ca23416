import { createHash } from 'node:crypto';

/**
 * What is wrong with the migrations of an engine, one sentence each. `sent` are their texts as a new ledger gets them,
 * `hashes` are those of the released ones.
 */
export function editedMigrations(sent: readonly string[], hashes: readonly string[]): string[] {
  const length = Math.max(sent.length, hashes.length);
  return Array.from({ length }, (_, i) => explain(i + 1, hashOf(sent[i]), hashes[i])).filter(
    (wrong) => wrong !== undefined,
  );
}

function explain(version: number, hash: string | undefined, released: string | undefined): string | undefined {
  if (hash === released) return undefined;
  if (released === undefined) return `migration ${version} has no hash in this test yet: add ${hash}`;
  return (
    `migration ${version} is not as it was released, perhaps by an edit of a part that it is put together from: ` +
    'never edit a released migration; add the next one'
  );
}

function hashOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : createHash('sha256').update(text).digest('hex');
}
