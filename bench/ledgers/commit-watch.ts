import { openReadConnection } from '../../src/engines/sqlite/file/connection.ts';

const SAMPLE_MS = 50;

/** Samples how fast a ledger grows, from its file, without asking the server. */
export class CommitWatch {
  readonly #samples: { readonly atMs: number; readonly lastOrderId: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #sample: () => void;
  readonly #close: () => void;

  constructor(path: string) {
    const db = openReadConnection(path);
    const read = db.prepare<[], bigint>('SELECT last_order_id FROM ledger').pluck();
    this.#sample = () => {
      this.#samples.push({ atMs: performance.timeOrigin + performance.now(), lastOrderId: Number(read.get()) });
    };
    this.#close = () => db.close();
    this.#sample();
    this.#timer = setInterval(this.#sample, SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#sample();
    this.#close();
  }

  /** Numbers committed between the first sample and the last one. */
  get numbered(): number {
    return this.#samples.at(-1)!.lastOrderId - this.#samples[0]!.lastOrderId;
  }

  /** Numbers committed per second between two times, in milliseconds since the epoch. */
  perSecond(fromMs: number, toMs: number): number {
    const within = this.#samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
    const [first, last] = [within[0], within.at(-1)];
    if (!first || !last || first === last) return Number.NaN;
    return ((last.lastOrderId - first.lastOrderId) / (last.atMs - first.atMs)) * 1000;
  }
}
