import { stat } from 'node:fs/promises';

/** The interval between two checks. */
const LOOK_MS = 500;
/**
 * A file that is written twice within one tick of the file system's clock has the same times and perhaps the same
 * length. So a file that is newer than this counts as changed at each check.
 */
const SETTLED_MS = 2000;

/**
 * Checks files every half second for a write, a rename or a symbolic link that was switched, as Kubernetes does. A
 * watch by the operating system would stay on the old file, and would miss changes that another machine makes to a
 * network file system.
 */
export class FilePoll {
  readonly #paths: readonly string[];
  readonly #changed: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #seen: string | undefined;
  #isLooking = false;

  /**
   * Calls `changed`, which must not reject, at the first check and after each possible change: compare the contents.
   */
  constructor(paths: readonly string[], changed: () => Promise<void>) {
    this.#paths = paths;
    this.#changed = changed;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    // Checks must not pile up while a disk hangs.
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      // Taken before the contents are read, so that a change in between is seen at the next check.
      const now = (await Promise.all(this.#paths.map(stampOf))).join('\n');
      if (now === this.#seen) return;
      await this.#changed();
      this.#seen = now;
    } finally {
      this.#isLooking = false;
    }
  }
}

/** A text that changes when the file does, and at every call while the file is new. */
async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mode, mtimeNs, ctimeNs, ctimeMs } = await stat(path, { bigint: true });
    const ageMs = Date.now() - Number(ctimeMs);
    const settling = Math.abs(ageMs) < SETTLED_MS ? performance.now() : '';
    return [dev, ino, size, mode, mtimeNs, ctimeNs, settling].join(' ');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}
