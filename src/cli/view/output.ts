import type { Writable } from 'node:stream';

/** The smallest write while more text is waiting, in characters. */
const CHUNK_LENGTH = 16 * 1024;
/** The error codes for a reader that has gone. */
const GONE = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED']);

/** Standard output accepts no more. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
  /** Whether its reader has gone, as `head` does when it has seen enough: nothing is wrong then. */
  readonly readerGone: boolean;

  constructor(cause: Error) {
    super(`cannot write to standard output: ${cause.message}`, { cause });
    this.readerGone = 'code' in cause && typeof cause.code === 'string' && GONE.has(cause.code);
  }
}

/**
 * Standard output, written in large chunks and no faster than its reader takes them. Text is written soon by itself;
 * `flush` waits for that.
 */
export class Output {
  readonly #stream: Writable;
  #waiting = '';
  #failure: OutputError | undefined;
  #later: NodeJS.Immediate | undefined;
  #lastWrite: Promise<void> | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    // The callback of the write gets the error as well, but without a listener it would end the process.
    stream.on('error', (error) => (this.#failure ??= new OutputError(error)));
  }

  /** Rejects with an {@link OutputError} once a write has failed. */
  async line(text: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#waiting += `${text}\n`;
    if (this.#waiting.length >= CHUNK_LENGTH) return this.flush();
    // Soon, so that the first page shows while the second is being fetched.
    this.#later ??= setImmediate(() => this.flush().catch(() => {}));
  }

  /** Resolves when everything was written; rejects with an {@link OutputError}. */
  async flush(): Promise<void> {
    if (this.#later !== undefined) clearImmediate(this.#later);
    this.#later = undefined;
    const text = this.#waiting;
    this.#waiting = '';
    if (text !== '') this.#lastWrite = this.#write(text);
    // Writes end in order: when the last one is done, all are.
    await this.#lastWrite;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Never rejects: a write that is no longer awaited must not end the process. */
  #write(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write(text, (error) => {
        if (error) this.#failure ??= new OutputError(error);
        resolve();
      });
    });
  }
}
