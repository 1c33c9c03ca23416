import { hash } from 'node:crypto';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../log/log.ts';
import { FilePoll } from './file-poll.ts';
import { entriesIn, readTokenFile } from './read-token-file.ts';
import { TokenDirectory } from './token-directory.ts';

/** The interval between two checks of the clock. */
const EXPIRY_MS = 500;

/** What the metrics report about the tokens. */
export interface TokenSources {
  /** Entries that are neither revoked nor expired. */
  active(): number;
  /** Whether the entries in use are those of the file: false while the file is broken or missing. */
  isCurrent(): boolean;
  /** Versions of the file that could not be used. */
  failures(): number;
}

/**
 * The tokens of a server. A change of their file takes effect within a second. A broken file changes nothing: the
 * server keeps the tokens that it read before, and logs a warning once per broken version.
 */
export class TokenReload implements TokenSources {
  readonly directory = new TokenDirectory([]);
  readonly #path: string;
  readonly #logger: Logger;
  #looking: Promise<void> = Promise.resolve();
  #poll: FilePoll | undefined;
  #clock: NodeJS.Timeout | undefined;
  /** The result of the last read: the hash of the text, or why it could not be read. */
  #latest: string | undefined;
  #isCurrent = true;
  #failures = 0;
  #hasWarned = false;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  active(): number {
    return this.directory.active;
  }

  isCurrent(): boolean {
    return this.#isCurrent;
  }

  failures(): number {
    return this.#failures;
  }

  /** Reads the file, then follows the file and the clock. Rejects with one sentence that names the remedy. */
  async open(): Promise<void> {
    this.#latest = undefined;
    await this.#read();
    this.#poll = new FilePoll([this.#path], () => this.reload());
    this.#clock = setInterval(() => this.directory.endExpired(), EXPIRY_MS).unref();
  }

  close(): void {
    this.#poll?.stop();
    clearInterval(this.#clock);
  }

  /** Reads the file again, after any read in progress, which may have seen an older version. Never rejects. */
  reload(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      try {
        await this.#read();
      } catch (error) {
        this.#isCurrent = false;
        this.#failures += 1;
        this.#logger.warn(`${messageOf(error)}; the tokens that were read before stay in use`);
      }
    });
    return this.#looking;
  }

  /** Rejects if the file has changed and cannot be used. */
  async #read(): Promise<void> {
    const file = await readTokenFile(this.#path).catch((error: unknown) => messageOf(error));
    const found = typeof file === 'string' ? file : hash('sha256', file.text);
    if (found === this.#latest) return;
    this.#latest = found;
    if (typeof file === 'string') throw new Error(file);
    this.directory.replace(entriesIn(file, this.#path));
    this.#isCurrent = true;
    this.#logger.info({ tokens: this.#path, active: this.active() }, 'tokens read');
    if (this.active() === 0)
      this.#logger.warn(`no entry of the token file ${this.#path} is active: every call is refused`);
    if (file.warning !== undefined && !this.#hasWarned) this.#logger.warn(file.warning);
    this.#hasWarned ||= file.warning !== undefined;
  }
}
