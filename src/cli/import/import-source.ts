import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import { LedgerRefused, messageOf } from '../../core/errors.ts';

/** A longer line is not an item: DynamoDB's have at most 400 KB. */
const MAX_LINE_LENGTH = 4 * 1024 * 1024;

type Kind = 'gzip' | 'text';

/** How files that are not UTF-8 text begin, and what to do about them. */
const KINDS: readonly (readonly [start: readonly number[], is: string])[] = [
  [[0xff, 0xfe], "is UTF-16, as PowerShell's > writes it: convert it first, with iconv -f UTF-16 -t UTF-8"],
  [[0xfe, 0xff], 'is UTF-16: convert it first, with iconv -f UTF-16 -t UTF-8'],
  [[0x50, 0x4b, 0x03, 0x04], 'is a ZIP archive, such as a spreadsheet workbook: save the sheet as CSV'],
];

/** A file to import, and how much of it has been read. */
export interface ImportSource {
  readonly stream: Readable;
  /** In bytes of the file on disk. */
  readonly bytesRead: () => number;
  readonly size: number;
}

/**
 * Opens a file to import. Throws LedgerRefused if it does not exist or is of another kind; gzip is decompressed if
 * `unpacks`, and refused if not.
 */
export function openImport(path: string, { unpacks = false } = {}): ImportSource {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new LedgerRefused(`${path} does not exist: give the file to read`);
  if (!stat.isFile()) throw new LedgerRefused(`${path} is not a file: give the file to read`);
  const kind = kindOf(path);
  if (kind === 'gzip' && !unpacks) throw new LedgerRefused(`${path} is gzip: decompress it first, with gunzip`);
  const file = createReadStream(path);
  const source = { bytesRead: () => file.bytesRead, size: stat.size };
  if (kind === 'text') return { ...source, stream: file };
  const unpacked = createGunzip();
  file.on('error', (error) => unpacked.destroy(error));
  unpacked.on('close', () => file.destroy());
  return { ...source, stream: file.pipe(unpacked) };
}

/**
 * The lines of a file, without their line ends. Only a line feed ends one: JSON may have U+2028 inside its strings.
 * Throws LedgerRefused if the file cannot be decompressed.
 */
export async function* linesOf(path: string, { stream }: ImportSource): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
      // Yielded unfinished, so that its beginning can be told from an item.
      if (rest.length > MAX_LINE_LENGTH) {
        yield rest;
        throw new LedgerRefused(
          `nothing was imported: ${path} has a line of more than 4 MiB, and no item is that long`,
        );
      }
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && /^(Z_|ERR_.*ZLIB)/.test(String(error.code)))) throw error;
    throw new LedgerRefused(
      `nothing was imported: ${path} cannot be decompressed (${messageOf(error)}): copy it from the export again`,
    );
  }
  rest += decoder.end();
  if (rest !== '') yield rest;
}

function kindOf(path: string): Kind {
  const start = Buffer.alloc(4);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, start);
  } finally {
    closeSync(descriptor);
  }
  for (const [bytes, is] of KINDS) {
    if (bytes.every((byte, i) => start[i] === byte)) throw new LedgerRefused(`nothing was imported: ${path} ${is}`);
  }
  return start[0] === 0x1f && start[1] === 0x8b ? 'gzip' : 'text';
}
