import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** One entry of a token file, as the file has it. */
export interface FileEntry {
  readonly name: string;
  readonly sha256?: string;
  readonly san?: string;
  readonly stores: 'all' | readonly string[];
  readonly verbs: readonly string[];
  readonly expires?: string;
  readonly revoked?: string;
}

/** A token made by hand, as the format has it: the prefix, 43 characters, and their checksum. */
export function tokenOf(secret: string): string {
  const body = `ordn_${secret.padStart(43, '0')}`;
  let rest = crc32(body);
  let checksum = '';
  for (let i = 0; i < 6; i++) {
    checksum = DIGITS[rest % 62]! + checksum;
    rest = Math.floor(rest / 62);
  }
  return body + checksum;
}

/** An entry for a token that may do everything, with what is given instead. */
export function entryOf(token: string, others: Partial<FileEntry> = {}): FileEntry {
  const sha256 = createHash('sha256').update(token).digest('hex');
  const everything = { stores: 'all', verbs: ['allocate', 'read', 'manage', 'verify', 'metrics'] } as const;
  return { name: 'checkout', ...(others.san === undefined && { sha256 }), ...everything, ...others };
}

/** Replaces a token file at once, as editors and `order-numbers token` do. */
export function writeTokens(path: string, ...entries: readonly FileEntry[]): void {
  replaceFile(path, JSON.stringify({ version: 1, tokens: entries }));
}

/** Replaces a file by a rename. */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  writeFileSync(`${path}.next`, text, { mode });
  renameSync(`${path}.next`, path);
}
