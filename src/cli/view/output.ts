import type { Writable } from 'node:stream';

/** The least that one write has, if much is written. */
const CHUNK_LENGTH = 16 * 1024;
/** What the system says of a reader that has gone. */
const GONE = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED']);

/** Standard output takes no more. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
  /** Whether its reader has gone, as `head` does when it has seen enough: nothing is wrong then. */
  readonly readerGone: boolean;

  constructor(cause: Error) {
    super(`standard output cannot be written: ${cause.message}`, { cause });
    this.readerGone = 'code' in cause && typeof cause.code === 'string' && GONE.has(cause.code);
  }
}

/**
 * Standard output, written in large pieces and no faster than its reader takes them. What was written is out
 * soon by itself; `flush` waits for it.
 */
export class Output {
  readonly #stream: Writable;
  #waiting = '';
  #failure: OutputError | undefined;
  #later: NodeJS.Immediate | undefined;
  #lastWrite: Promise<void> | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    // The error also comes to the callback of the write; without a listener it would end the process.
    stream.on('error', (error) => (this.#failure ??= new OutputError(error)));
  }

  /** Rejects with an {@link OutputError} once a write has failed. */
  async line(text: string): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#waiting += `${text}\n`;
    if (this.#waiting.length >= CHUNK_LENGTH) return this.flush();
    // Soon, so that the first page is seen while the second is waited for.
    this.#later ??= setImmediate(() => this.flush().catch(() => {}));
  }

  /** Resolves when everything was taken; rejects with an {@link OutputError}. */
  async flush(): Promise<void> {
    if (this.#later !== undefined) clearImmediate(this.#later);
    this.#later = undefined;
    const text = this.#waiting;
    this.#waiting = '';
    if (text !== '') this.#lastWrite = this.#write(text);
    // Writes end in order: after the last one all were taken.
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
