import type { X509Certificate as Certificate } from 'node:crypto';
import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { messageOf } from '../../../core/errors.ts';

/** More than any chain or list of CAs needs; a larger file is something else. */
const MAX_BYTES = 1024 * 1024;
const BEGIN = /^-----BEGIN ([A-Z0-9 ]+)-----\s*$/;
const END = /^-----END ([A-Z0-9 ]+)-----/;
/** Characters of a list of labels in a message. */
const MAX_SHOWN = 128;

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist; correct the path',
  ENOTDIR: 'does not exist; correct the path',
  EACCES: 'is not readable for the user of this process; let that user read it (chmod, chown)',
  EPERM: 'is not readable for the user of this process; let that user read it (chmod, chown)',
};

/** A file that a flag names. */
export interface NamedFile {
  readonly flag: string;
  readonly path: string;
}

/** A file that cannot be used. `message` is one line: the flag, the file and the remedy. */
export class FileRefused extends Error {
  override readonly name = 'FileRefused';

  constructor({ flag, path }: NamedFile, why: string, options?: ErrorOptions) {
    super(`${flag}: ${path} ${why}`, options);
  }
}

/** A block of a PEM file. */
export interface PemBlock {
  /** The word after BEGIN, such as CERTIFICATE. */
  readonly label: string;
  /** All of its lines. */
  readonly text: string;
}

/** The text of a file. Rejects with {@link FileRefused} if it cannot be read. */
export async function readText(file: NamedFile): Promise<string> {
  try {
    const found = await stat(file.path);
    if (found.isDirectory()) throw new FileRefused(file, 'is a folder; give the path of a PEM file in it');
    // A pipe can be read only once.
    if (!found.isFile())
      throw new FileRefused(file, 'is not a regular file, so it cannot be read again; give the path of a PEM file');
    if (found.size > MAX_BYTES) throw new FileRefused(file, 'is too large to be a PEM file; correct the path');
    return await readFile(file.path, 'latin1');
  } catch (error) {
    if (error instanceof FileRefused) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why = READ_FAILURES[code] ?? `cannot be read (${messageOf(error)}); check the file and its disk`;
    throw new FileRefused(file, why, { cause: error });
  }
}

/** The blocks of a PEM file. Throws {@link FileRefused} if it has none. */
export function blocksIn(file: NamedFile, text: string): PemBlock[] {
  if (text.trim() === '') throw new FileRefused(file, 'is empty; write a PEM file there');
  const blocks = parseBlocks(text);
  if (blocks.length > 0) return blocks;
  throw new FileRefused(
    file,
    'is not a PEM file (-----BEGIN …); if it is a DER or PKCS #12 file, convert it with openssl x509, pkey or pkcs12',
  );
}

/** One pass over the lines, because a broken file may be as large as a good one. A block without its end is left out. */
function parseBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  const lines = text.split('\n');
  let begun: { readonly label: string; readonly at: number } | undefined;
  for (const [i, line] of lines.entries()) {
    const label = BEGIN.exec(line)?.[1];
    if (label !== undefined) begun = { label, at: i };
    else if (begun && END.exec(line)?.[1] === begun.label) {
      blocks.push({ label: begun.label, text: `${lines.slice(begun.at, i + 1).join('\n')}\n` });
      begun = undefined;
    }
  }
  return blocks;
}

/**
 * The certificates among the blocks, in their order. Throws {@link FileRefused} if there is none, or one is damaged.
 */
export function certificatesIn(file: NamedFile, blocks: readonly PemBlock[]): Certificate[] {
  if (blocks.some(({ label }) => label === 'TRUSTED CERTIFICATE')) {
    throw new FileRefused(
      file,
      'has a TRUSTED CERTIFICATE, whose trust settings are not supported; convert it with openssl x509, which leaves them out',
    );
  }
  const found = blocks.filter(({ label }) => /^(X509 )?CERTIFICATE$/.test(label));
  if (found.length === 0) {
    throw new FileRefused(file, `has no certificate (-----BEGIN CERTIFICATE-----), only ${kindsOf(blocks)}`);
  }
  return found.map(({ text }, i) => {
    try {
      return new X509Certificate(text);
    } catch (cause) {
      const which = found.length === 1 ? '' : ` (number ${i + 1} of ${found.length})`;
      throw new FileRefused(file, `has a damaged certificate${which}; replace it`, { cause });
    }
  });
}

/** What is in a file instead of what was expected, for a message. */
export function kindsOf(blocks: readonly PemBlock[]): string {
  const kinds = [...new Set(blocks.map(({ label }) => label))].join(', ');
  return kinds.length > MAX_SHOWN ? `${kinds.slice(0, MAX_SHOWN)}…` : kinds;
}
