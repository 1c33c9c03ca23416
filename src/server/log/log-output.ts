import { closeSync, constants, openSync, write } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';

const STDOUT = 1;
/** Bytes that wait for a reader or disk, at most; lines beyond are dropped. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Bytes of one write; more only if one line is longer. */
const CHUNK_BYTES = 64 * 1024;
/** Until the next attempt when a pipe or terminal accepts nothing. */
const RETRY_MS = 50;
const NEWLINE = 0x0a;

/**
 * Writes lines to a file descriptor and never makes the process wait for it: lines that a full disk, a stopped
 * reader or a closed pipe does not accept are dropped and counted. No method throws.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #onRecovered: (dropped: number) => void;
  #waiting: string[] = [];
  /** Including the chunk that is being written. */
  #bytes = 0;
  /** What is being written. */
  #chunk: Buffer | undefined;
  /** Settles when the system has answered, which is immediately if nothing blocks. */
  #attempt = Promise.withResolvers<void>();
  /** Its time is over, so there are no more attempts. */
  #isEnding = false;
  /** The last line went out in part: the next one starts with a line break of its own. */
  #isTorn = false;
  #dropped = 0;
  #droppedBefore = 0;
  #drained = Promise.withResolvers<void>();

  /** `onRecovered` is told, once lines get through again, how many were dropped since they last did. */
  constructor(fd: number, onRecovered: (dropped: number) => void = () => {}) {
    this.#fd = fd;
    this.#onRecovered = onRecovered;
    this.#drained.resolve();
    this.#attempt.resolve();
  }

  /** Lines dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes one line with its line break. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > MAX_WAITING_BYTES) {
      this.#dropped++;
      return;
    }
    this.#bytes += bytes;
    this.#waiting.push(line);
    if (this.#chunk) return;
    this.#drained = Promise.withResolvers();
    this.#writeNext();
  }

  /**
   * Resolves when every line is written or dropped, or after `limitMs`. False means that a write still blocks
   * in the system, which would block the end of the process, too.
   */
  async end(limitMs: number): Promise<boolean> {
    if (await within(limitMs, this.#drained.promise)) return true;
    this.#isEnding = true;
    return within(limitMs, this.#attempt.promise);
  }

  #writeNext(): void {
    const torn = this.#isTorn ? '\n' : '';
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length && bytes < CHUNK_BYTES; count++) {
      bytes += this.#waiting[count]!.length;
    }
    const lines = this.#waiting.splice(0, count);
    if (lines.length === 0) {
      this.#chunk = undefined;
      this.#drained.resolve();
      return;
    }
    this.#bytes += torn.length;
    this.#chunk = Buffer.from(torn + lines.join(''));
    this.#writeChunk();
  }

  #writeChunk(): void {
    if (this.#isEnding) return;
    const chunk = this.#chunk!;
    const attempt = Promise.withResolvers<void>();
    this.#attempt = attempt;
    write(this.#fd, chunk, (error, written) => {
      attempt.resolve();
      if (this.#isEnding) return;
      if (!error) this.#wrote(chunk, written);
      else if (error.code === 'EAGAIN') setTimeout(() => this.#writeChunk(), RETRY_MS).unref();
      else if (error.code === 'EINTR') this.#writeChunk();
      else this.#drop(chunk);
    });
  }

  #wrote(chunk: Buffer, written: number): void {
    this.#bytes -= written;
    if (written > 0) this.#isTorn = chunk[written - 1] !== NEWLINE;
    if (written < chunk.length) {
      this.#chunk = chunk.subarray(written);
      this.#writeChunk();
      return;
    }
    const dropped = this.#dropped - this.#droppedBefore;
    this.#droppedBefore = this.#dropped;
    if (dropped > 0) this.#onRecovered(dropped);
    this.#writeNext();
  }

  #drop(chunk: Buffer): void {
    this.#bytes -= chunk.length;
    for (const byte of chunk) if (byte === NEWLINE) this.#dropped++;
    this.#writeNext();
  }
}

/** Whether the promise resolves in time. */
async function within(limitMs: number, promise: Promise<void>): Promise<boolean> {
  const limit = new AbortController();
  const late = delay(limitMs, false, { signal: limit.signal }).catch(() => false);
  const isInTime = await Promise.race([promise.then(() => true), late]);
  limit.abort();
  return isInTime;
}

/** Standard output, opened so that a write to it never blocks; a write to a disk blocks a thread only. */
export function openStandardOutput(): number {
  // Node.js makes pipes and sockets non-blocking when it opens them. Errors come to the writer, not here.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  if (!isatty(STDOUT)) return STDOUT;
  try {
    // A description of its own: the shell, which shares the terminal, keeps its blocking one.
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return STDOUT;
  }
}

/** Closes what {@link openStandardOutput} opened. Standard output itself stays: no other file may take its number. */
export function closeOutput(fd: number): void {
  if (fd !== STDOUT) closeSync(fd);
}
