import type { FileHandle } from 'node:fs/promises';
import { constants, open, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import type { TokenEntry } from './token-file.ts';
import { parseTokenFile } from './token-file.ts';

/** About 15,000 tokens. Parsing them takes 50 ms, and no call is answered in that time. */
export const MAX_TOKEN_FILE_BYTES = 4 * 1024 * 1024;
const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
/** In such a folder only the owner of a file can rename or replace it. */
const STICKY = 0o1000;
const ROOT = 0;

/** A file is changed with the rights of whoever runs the command, such as root; it is served with those of the server. */
export type TokenFileUse = 'served' | 'changed';

/** A token file before it is parsed. */
export interface TokenFileText {
  readonly text: string;
  /** What its operator should change: a sentence without a full stop. */
  readonly warning?: string;
}

/** The entries in the text of a token file. Throws an Error that names the file, the entry and what is wrong. */
export function entriesIn({ text }: TokenFileText, path: string): TokenEntry[] {
  try {
    return parseTokenFile(text);
  } catch (error) {
    throw new Error(`the token file ${path} is invalid, correct it: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Reads a token file. Rejects with an Error that names the file and the remedy if it cannot be read, is too large, or
 * can be written or replaced by a user other than this process's own or root, who could grant themselves access.
 */
export async function readTokenFile(path: string, use: TokenFileUse = 'served'): Promise<TokenFileText> {
  let file: FileHandle | undefined;
  try {
    // A FIFO without a writer must not block.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await readAll(file, path, use);
    for (const name of new Set([path, await realpath(path)])) await requireSafeFolder(dirname(name), path);
    return found;
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw unreadable(path, error);
    throw error;
  } finally {
    await file?.close();
  }
}

/** Anyone who can write to a folder can put another file in the place of one. */
async function requireSafeFolder(folder: string, path: string): Promise<void> {
  const { mode } = await stat(folder);
  if ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0) return;
  throw new Error(
    `every user of this machine can replace the token file ${path}: run chmod o-w on its folder, ${folder}`,
  );
}

async function readAll(file: FileHandle, path: string, use: TokenFileUse): Promise<TokenFileText> {
  const found = await file.stat();
  const self = process.geteuid?.() ?? found.uid;
  if (!found.isFile()) throw new Error(`${path} is not a file: give the path of a token file with --tokens`);
  if (use === 'served' && found.uid !== self && found.uid !== ROOT) {
    throw new Error(
      `the token file ${path} belongs to user ${found.uid}, who could grant anyone access: give it to user ${self}, which this process runs as`,
    );
  }
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  if ((found.mode & GROUP_OR_OTHERS_WRITE) !== 0) {
    throw new Error(`users other than its owner can write the token file ${path} (mode ${mode}): run chmod go-w on it`);
  }
  const bytes = Buffer.alloc(MAX_TOKEN_FILE_BYTES + 1);
  let length = 0;
  for (let read = -1; read !== 0 && length < bytes.length; length += read) {
    ({ bytesRead: read } = await file.read(bytes, length, bytes.length - length));
  }
  if (length > MAX_TOKEN_FILE_BYTES) {
    throw new Error(`${path} has more than ${MAX_TOKEN_FILE_BYTES} bytes: remove entries that expired long ago`);
  }
  const text = bytes.toString('utf8', 0, length);
  if ((found.mode & OTHERS_READ) === 0) return { text };
  return {
    text,
    warning: `every user of this machine can read the token file ${path} (mode ${mode}): run chmod o-r on it`,
  };
}

function unreadable(path: string, error: Error): Error {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') {
    return new Error(
      `the token file ${path} does not exist: correct --tokens, or create it with order-numbers token create`,
    );
  }
  const self = process.geteuid?.();
  const remedy =
    code === 'EACCES' ? `let user ${self}, which this process runs as, read it (chmod, chown)` : 'correct --tokens';
  return new Error(`cannot read the token file ${path} (${messageOf(error)}): ${remedy}`, { cause: error });
}
