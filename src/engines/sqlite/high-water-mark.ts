import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder } from './ledger-files.ts';

/** What the mark says: the ledger of this id has given every order_id up to this one. */
export interface Mark {
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
}

const FORMAT = 'order-numbers-mark-1';
const LINE = /^(\S+) ledger_id=(\S+) last_order_id=(\d{19}) crc32=([0-9a-f]{8})\n$/;

/**
 * Reads a mark file. Undefined where there is none; 'torn' where it does not hold together, as after a
 * power cut in the middle of a write.
 */
export function readMark(path: string): Mark | 'torn' | undefined {
  let line: string;
  try {
    line = readFileSync(path, 'latin1');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const [, format, ledgerId, lastOrderId] = LINE.exec(line) ?? [];
  if (format !== FORMAT || ledgerId === undefined || lastOrderId === undefined) return 'torn';
  const mark = { ledgerId, lastOrderId: BigInt(lastOrderId) };
  return encode(mark) === line ? mark : 'torn';
}

/**
 * The high-water mark of a ledger (P9): a small file of its own that says how far the numbers had gone,
 * so that a ledger which was put back or lost its end is noticed. Written in place after each commit,
 * without an fsync: exact after kill -9, and after a power cut at most one checkpoint behind, never ahead.
 */
export class HighWaterMark {
  readonly #descriptor: number;

  /** Opens or makes the file, with `mark` on disk in it. */
  constructor(path: string, mark: Mark) {
    this.#descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    this.write(mark);
    ftruncateSync(this.#descriptor, encode(mark).length);
    this.sync();
    syncFolder(dirname(path));
  }

  /** In place, always the same length, in one write: only a power cut can tear it. */
  write(mark: Mark): void {
    writeSync(this.#descriptor, encode(mark), 0, 'latin1');
  }

  /** Puts the last written mark on disk. */
  sync(): void {
    fsyncSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function encode({ ledgerId, lastOrderId }: Mark): string {
  const body = `${FORMAT} ledger_id=${ledgerId} last_order_id=${String(lastOrderId).padStart(19, '0')}`;
  return `${body} crc32=${crc32(body).toString(16).padStart(8, '0')}\n`;
}
