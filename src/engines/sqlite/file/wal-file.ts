import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

// The format of the file that SQLite keeps beside a database in WAL mode (https://www.sqlite.org/fileformat2.html#walformat).
// SQLite holds no POSIX lock on it (those are on the database and on the -shm file), so `fs` may open and close it.

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** Its lowest bit gives the byte order in which the checksums were computed. */
const MAGIC = 0x377f0682;
const CHUNK_BYTES = 1 << 20;

/** The header of a WAL. */
export interface WalHeader {
  readonly pageBytes: number;
  /** Both, as 16 hexadecimal digits. When the WAL restarts, the first rises by one and the second is drawn again. */
  readonly salts: string;
}

type Checksum = readonly [number, number];

/** The header of the WAL at `path`; undefined if SQLite finds nothing in it: it is missing, empty or torn. */
export function readWalHeader(path: string): WalHeader | undefined {
  const descriptor = openIfThere(path, 'r');
  if (descriptor === undefined) return undefined;
  try {
    return parseHeader(readAt(descriptor, 0, HEADER_BYTES))?.header;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes every committed frame of the WAL at `path` again, with the same bytes in the same place, and puts them on
 * disk. Returns their number. An fsync alone is not enough: after a failed one, the system considers pages written that
 * never reached the disk. The WAL must have no writer meanwhile; readers see no difference.
 */
export function rewriteFrames(path: string): number {
  const descriptor = openIfThere(path, 'r+');
  if (descriptor === undefined) return 0;
  try {
    const { frames, bytes } = committedFrames(descriptor);
    for (let at = 0; at < bytes; at += CHUNK_BYTES) {
      const chunk = readAt(descriptor, at, Math.min(CHUNK_BYTES, bytes - at));
      for (let done = 0; done < chunk.length;)
        done += writeSync(descriptor, chunk, done, chunk.length - done, at + done);
    }
    fsyncSync(descriptor);
    return frames;
  } finally {
    closeSync(descriptor);
  }
}

/** The part of the WAL with valid checksums, up to the last frame that ends a commit; `bytes` is 0 if there is none. */
function committedFrames(descriptor: number): { readonly frames: number; readonly bytes: number } {
  const start = parseHeader(readAt(descriptor, 0, HEADER_BYTES));
  if (!start) return { frames: 0, bytes: 0 };
  const frameBytes = FRAME_HEADER_BYTES + start.header.pageBytes;
  const all = Math.floor((fstatSync(descriptor).size - HEADER_BYTES) / frameBytes);
  let checksum = start.checksum;
  let frames = 0;
  for (let i = 0; i < all; i++) {
    const frame = readAt(descriptor, HEADER_BYTES + i * frameBytes, frameBytes);
    if (frame.length < frameBytes || frame.toString('hex', 8, 16) !== start.header.salts) break;
    checksum = add(
      add(checksum, frame.subarray(0, 8), start.isBigEndian),
      frame.subarray(FRAME_HEADER_BYTES),
      start.isBigEndian,
    );
    if (frame.readUInt32BE(16) !== checksum[0] || frame.readUInt32BE(20) !== checksum[1]) break;
    // The size of the database after the commit, in pages; set in the last frame of a commit only.
    if (frame.readUInt32BE(4) !== 0) frames = i + 1;
  }
  return { frames, bytes: frames === 0 ? 0 : HEADER_BYTES + frames * frameBytes };
}

function parseHeader(bytes: Buffer) {
  if (bytes.length < HEADER_BYTES) return undefined;
  const magic = bytes.readUInt32BE(0);
  if ((magic & ~1) >>> 0 !== MAGIC) return undefined;
  const isBigEndian = (magic & 1) === 1;
  const checksum = add([0, 0], bytes.subarray(0, 24), isBigEndian);
  if (bytes.readUInt32BE(24) !== checksum[0] || bytes.readUInt32BE(28) !== checksum[1]) return undefined;
  return {
    header: { pageBytes: bytes.readUInt32BE(8), salts: bytes.toString('hex', 16, 24) },
    checksum,
    isBigEndian,
  };
}

function add([a, b]: Checksum, bytes: Buffer, isBigEndian: boolean): Checksum {
  for (let i = 0; i < bytes.length; i += 8) {
    a = (a + (isBigEndian ? bytes.readUInt32BE(i) : bytes.readUInt32LE(i)) + b) >>> 0;
    b = (b + (isBigEndian ? bytes.readUInt32BE(i + 4) : bytes.readUInt32LE(i + 4)) + a) >>> 0;
  }
  return [a, b];
}

function readAt(descriptor: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const read = readSync(descriptor, bytes, done, length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}

function openIfThere(path: string, flags: 'r' | 'r+'): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
