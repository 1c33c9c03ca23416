import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from './fsync.ts';

/** The content of a mark: the ledger with this id has given every order_id up to this one. */
export interface Mark {
  readonly ledgerId: string;
  readonly lastOrderId: bigint;
}

/**
 * What the database file is known to hold without its WAL, since the last complete checkpoint. A copy of the ledger is
 * at least as new if and only if neither of its two numbers is smaller.
 */
export interface Base extends Mark {
  /** SQLite's schema_version: raised before a checkpoint if the last change gave no order_id. */
  readonly generation: number;
  /** Length of the database file. */
  readonly bytes: number;
  /** The salts of the WAL at that time; undefined if there was none. */
  readonly salts: string | undefined;
}

const FORMAT = 'order-numbers-mark-1';
const LINE = /^(\S+) ledger_id=(\S+) last_order_id=(\d{19}) crc32=([0-9a-f]{8})\n/;
const BASE_FORMAT = 'order-numbers-base-1';
const BASE_LINE =
  /order-numbers-base-1 sequence=(\d{16}) ledger_id=(\S+) last_order_id=(\d{19}) generation=(\d{10}) bytes=(\d{16}) salts=([0-9a-f-]{16}) crc32=[0-9a-f]{8}\n/g;
const NO_SALTS = '-'.repeat(16);
/** The two slots are written in turn, so that a power cut during a write leaves the previous base. */
const BASE_SLOTS = 2;
/** The CRC-32 of each byte, by the polynomial of zlib. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/**
 * Reads the mark, the first line of its file. Undefined if there is no file; 'torn' if the checksum fails, as after a
 * power cut during a write.
 */
export function readMark(path: string): Mark | 'torn' | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  const [line, format, ledgerId, lastOrderId] = LINE.exec(text) ?? [];
  if (format !== FORMAT || ledgerId === undefined || lastOrderId === undefined) return 'torn';
  const mark = { ledgerId, lastOrderId: BigInt(lastOrderId) };
  return encode(mark) === line ? mark : 'torn';
}

/** Reads the base from a mark file; undefined if it has none, such as a file written by an older version. */
export function readBase(path: string): Base | undefined {
  return newestBase(readText(path) ?? '')?.base;
}

/**
 * The high-water mark of a ledger (P9): a small separate file that records how far numbering has gone, so that an older
 * copy, or a ledger that lost its end, is detected. It is written in place after each commit, without an fsync: exact
 * after kill -9, and after a power cut at most one checkpoint behind, never ahead.
 *
 * After that first line comes the {@link Base}, written with an fsync, at checkpoints only.
 */
export class HighWaterMark {
  readonly #descriptor: number;
  readonly #lineBytes: number;
  #sequence: number;

  /**
   * Opens or creates the file and puts `mark` on disk in it. Its base is removed, or `kept`, or replaced by this one.
   */
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

  /** Written in place, at constant length, in one write: only a power cut or a failing disk can tear it. */
  write(mark: Mark): void {
    this.#writeAt(encode(mark), 0);
  }

  /** Puts the base on disk, and the last written mark with it. */
  recordBase(base: Base): void {
    this.#writeBase(base);
    this.sync();
  }

  /**
   * Removes the base, because the WAL is empty, on disk as well, and the database holds all that the mark says. On disk
   * when it returns.
   */
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
    this.#writeAt(line, this.#lineBytes + slot * line.length);
  }

  /** A disk that fills up may take a part without an error, and say so at the next write only. */
  #writeAt(text: string, position: number): void {
    const bytes = Buffer.from(text, 'latin1');
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
    }
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

/** The CRC-32 of zlib, of ASCII text. Loading node:zlib for it would be a tenth of what the start of a writer thread takes. */
function crc32(text: string): number {
  let crc = -1;
  for (let i = 0; i < text.length; i++) crc = CRC_TABLE[(crc ^ text.charCodeAt(i)) & 0xff]! ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

function digits(value: bigint | number, length: number): string {
  return String(value).padStart(length, '0');
}

function sealed(body: string): string {
  return `${body} crc32=${crc32(body).toString(16).padStart(8, '0')}\n`;
}
