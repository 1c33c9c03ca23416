import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder } from './fsync.ts';

/** What the mark says: the ledger of this id has given every order_id up to this one. */
export interface Mark {
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
}

/**
 * What the database file alone, without its WAL, is known to hold since the last checkpoint that was complete. A copy of
 * the ledger is at least as new exactly if neither number of it is smaller.
 */
export interface Base extends Mark {
  /** SQLite's schema_version: raised with the last change before a checkpoint, where that gave no order_id. */
  readonly generation: number;
  /** How long the database file was. */
  readonly bytes: number;
  /** Those of the WAL at that time; undefined where there was none. */
  readonly salts: string | undefined;
}

const FORMAT = 'order-numbers-mark-1';
const LINE = /^(\S+) ledger_id=(\S+) last_order_id=(\d{19}) crc32=([0-9a-f]{8})\n/;
const BASE_FORMAT = 'order-numbers-base-1';
const BASE_LINE =
  /order-numbers-base-1 sequence=(\d{16}) ledger_id=(\S+) last_order_id=(\d{19}) generation=(\d{10}) bytes=(\d{16}) salts=([0-9a-f-]{16}) crc32=[0-9a-f]{8}\n/g;
const NO_SALTS = '-'.repeat(16);
/** One is written while the other one stands, so that a power cut in the middle of a write leaves the one before. */
const BASE_SLOTS = 2;

/**
 * Reads what a mark file says first. Undefined where there is none; 'torn' where it does not hold together, as after a
 * power cut in the middle of a write.
 */
export function readMark(path: string): Mark | 'torn' | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  const [line, format, ledgerId, lastOrderId] = LINE.exec(text) ?? [];
  if (format !== FORMAT || ledgerId === undefined || lastOrderId === undefined) return 'torn';
  const mark = { ledgerId, lastOrderId: BigInt(lastOrderId) };
  return encode(mark) === line ? mark : 'torn';
}

/** What a mark file says of the database alone; undefined where it says nothing, as one of an older version does. */
export function readBase(path: string): Base | undefined {
  return newestBase(readText(path) ?? '')?.base;
}

/**
 * The high-water mark of a ledger (P9): a small file of its own that says how far the numbers had gone,
 * so that a ledger which was put back or lost its end is noticed. Written in place after each commit,
 * without an fsync: exact after kill -9, and after a power cut at most one checkpoint behind, never ahead.
 *
 * Behind that first line stands the {@link Base}, written with an fsync at checkpoints only.
 */
export class HighWaterMark {
  readonly #descriptor: number;
  readonly #lineBytes: number;
  #sequence: number;

  /** Opens or makes the file, with `mark` on disk in it. Its base is forgotten, or `kept`, or this one. */
  constructor(path: string, mark: Mark, base?: Base | 'kept') {
    this.#lineBytes = encode(mark).length;
    this.#sequence = newestBase(readText(path) ?? '')?.sequence ?? 0;
    this.#descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      this.write(mark);
      if (base === undefined) ftruncateSync(this.#descriptor, this.#lineBytes);
      else if (base !== 'kept') this.#writeBase(base);
      this.sync();
      syncFolder(dirname(path));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** In place, always the same length, in one write: only a power cut can tear it. */
  write(mark: Mark): void {
    writeSync(this.#descriptor, encode(mark), 0, 'latin1');
  }

  /** Puts on disk what the database holds alone, and the last written mark with it. */
  recordBase(base: Base): void {
    this.#writeBase(base);
    this.sync();
  }

  /** The WAL is empty, so that the database holds alone what the first line says; that is on disk when this returns. */
  forgetBase(): void {
    ftruncateSync(this.#descriptor, this.#lineBytes);
    this.sync();
  }

  /** Puts the last written mark on disk. */
  sync(): void {
    fsyncSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #writeBase(base: Base): void {
    const line = encodeBase(++this.#sequence, base);
    const slot = (this.#sequence - 1) % BASE_SLOTS;
    writeSync(this.#descriptor, line, this.#lineBytes + slot * line.length, 'latin1');
  }
}

function newestBase(text: string): { readonly sequence: number; readonly base: Base } | undefined {
  let newest: { readonly sequence: number; readonly base: Base } | undefined;
  for (const [line, sequence, ledgerId = '', lastOrderId = '', generation, bytes, salts] of text.matchAll(BASE_LINE)) {
    const base = {
      ledgerId,
      lastOrderId: BigInt(lastOrderId),
      generation: Number(generation),
      bytes: Number(bytes),
      salts: salts === NO_SALTS ? undefined : salts,
    };
    if (encodeBase(Number(sequence), base) !== line) continue;
    if (!newest || Number(sequence) > newest.sequence) newest = { sequence: Number(sequence), base };
  }
  return newest;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function encode({ ledgerId, lastOrderId }: Mark): string {
  return sealed(`${FORMAT} ledger_id=${ledgerId} last_order_id=${digits(lastOrderId, 19)}`);
}

function encodeBase(sequence: number, { ledgerId, lastOrderId, generation, bytes, salts }: Base): string {
  return sealed(
    `${BASE_FORMAT} sequence=${digits(sequence, 16)} ledger_id=${ledgerId} last_order_id=${digits(lastOrderId, 19)} ` +
      `generation=${digits(generation, 10)} bytes=${digits(bytes, 16)} salts=${salts ?? NO_SALTS}`,
  );
}

function digits(value: bigint | number, length: number): string {
  return String(value).padStart(length, '0');
}

function sealed(body: string): string {
  return `${body} crc32=${crc32(body).toString(16).padStart(8, '0')}\n`;
}
