/** A chunk of inputs that takes longer is looked at input by input. */
const MAX_CHUNK_MS = 1000;
/** The most that one input may cost; the largest one has some 300 KB. */
const MAX_INPUT_CPU_MS = 500;
/** So often an input has to be above the bound, because other work may slow down the processor. */
const TIMES = 3;

/** Finds inputs that cost more processor time than they should. Waiting for other processes costs none. */
export class CpuBound {
  #startedAt = 0;

  start(): void {
    this.#startedAt = performance.now();
  }

  /** Whether the inputs since the start took suspiciously long. */
  isPassed(): boolean {
    return performance.now() - this.#startedAt > MAX_CHUNK_MS;
  }

  /** The lowest cost of a check in whole milliseconds of the processor; undefined if it is within the bound. */
  async costOf(check: () => unknown): Promise<number | undefined> {
    let lowest = Infinity;
    for (let time = 0; time < TIMES && lowest > MAX_INPUT_CPU_MS; time++) {
      const before = process.cpuUsage();
      await check();
      const { user, system } = process.cpuUsage(before);
      lowest = Math.min(lowest, Math.round((user + system) / 1000));
    }
    return lowest > MAX_INPUT_CPU_MS ? lowest : undefined;
  }
}
