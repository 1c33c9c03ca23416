import { stat } from 'node:fs/promises';

/** Between two looks. */
const LOOK_MS = 500;
/**
 * A file may be written twice within one tick of its clock, and then has the same times and, by chance, the same length.
 * So what was written this short a time ago is taken for changed once more.
 */
const SETTLED_MS = 2000;

/**
 * Looks at files every half second, and tells when one was written, replaced or renamed, or what its name leads to was:
 * Kubernetes swaps a symbolic link. A watch of the system would follow the old file, and misses changes made elsewhere on
 * a network.
 */
export class FilePoll {
  readonly #paths: readonly string[];
  readonly #changed: () => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #seen: string | undefined;
  #isLooking = false;

  /** Calls `changed` at the first look, and perhaps without a change: compare contents. It never rejects. */
  constructor(paths: readonly string[], changed: () => Promise<void>) {
    this.#paths = paths;
    this.#changed = changed;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    // A disk that hangs needs no queue of looks.
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      // Before the contents are read: a change meanwhile is seen at the next look.
      const now = (await Promise.all(this.#paths.map(stampOf))).join('\n');
      if (now === this.#seen) return;
      await this.#changed();
      this.#seen = now;
    } finally {
      this.#isLooking = false;
    }
  }
}

/** Differs if the file does, and from itself while the file is new. */
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
