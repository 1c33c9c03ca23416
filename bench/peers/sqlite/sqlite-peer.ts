import { join } from 'node:path';
import type { Density, Level, LoadResult } from '../../peer.ts';
import { Program } from '../../processes/program.ts';
import type { NumberingPeer, Order, OrderClient, Pair, RunningNumberingPeer } from '../order-client.ts';
import { readOrderFile } from './order-file.ts';

/** Asks the program with the file to number an order, or `load` orders of its own; without either, whether it is ready. */
export interface FileQuestion {
  readonly order?: Order;
  readonly load?: number;
}

export interface FileAnswer {
  readonly pair?: Pair;
  readonly loaded?: LoadResult;
}

/** The same engine as ours, without grouping and without a network. */
export const sqlitePerOrder: NumberingPeer = {
  name: 'sqlite-per-order',
  work: "one SQLite transaction per order with both counters and the order's row, synchronous=FULL, inside the calling process",
  levels: [{ inFlight: 1 }],
  missing: async () => undefined,
  async start(folder) {
    const path = join(folder, 'orders.db');
    const program = new Program<FileQuestion, FileAnswer>('sqlite-per-order.ts', path);
    await program.ask({});
    return new RunningFile(program, path);
  },
};

class RunningFile implements RunningNumberingPeer, OrderClient {
  readonly #program: Program<FileQuestion, FileAnswer>;
  readonly #path: string;
  /** The program takes one question at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(program: Program<FileQuestion, FileAnswer>, path: string) {
    this.#program = program;
    this.#path = path;
  }

  async load(_level: Level, orders: number): Promise<LoadResult> {
    return (await this.#program.ask({ load: orders })).loaded!;
  }

  async number(order: Order): Promise<Pair> {
    const answer = this.#last.then(() => this.#program.ask({ order }));
    this.#last = answer;
    return (await answer).pair!;
  }

  async check(): Promise<Density> {
    return readOrderFile(this.#path);
  }

  async connect(): Promise<OrderClient> {
    return this;
  }

  /** Closes nothing: the client is the peer itself. */
  async close(): Promise<void> {}

  async stop(): Promise<void> {
    await this.#program.end();
  }

  async kill(): Promise<void> {
    await this.#program.end();
  }
}
