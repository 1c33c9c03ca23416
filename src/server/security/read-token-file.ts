import type { FileHandle } from 'node:fs/promises';
import { constants, open } from 'node:fs/promises';
import { messageOf } from '../../core/errors.ts';
import type { TokenEntry } from './token-file.ts';
import { parseTokenFile } from './token-file.ts';

/** About 15,000 tokens. Parsing them takes 50 ms, and no call is answered in that time. */
export const MAX_TOKEN_FILE_BYTES = 4 * 1024 * 1024;
const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_READ = 0o004;

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
 * is writable for users other than its owner, who could grant themselves access.
 */
export async function readTokenFile(path: string): Promise<TokenFileText> {
  let file: FileHandle | undefined;
  try {
    // A FIFO without a writer must not block.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readAll(file, path);
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw unreadable(path, error);
    throw error;
  } finally {
    await file?.close();
  }
}

async function readAll(file: FileHandle, path: string): Promise<TokenFileText> {
  const stat = await file.stat();
  if (!stat.isFile()) throw new Error(`${path} is not a file: give the path of a token file with --tokens`);
  const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0) {
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
  if ((stat.mode & OTHERS_READ) === 0) return { text };
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
