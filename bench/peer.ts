/**
 * A system that numbers orders, or the part of one that bounds it, as the benchmark starts, loads, kills and checks it.
 * Our own server is measured through the same interface as what it is compared with.
 */
export interface Peer {
  /** Its name in the tables and the JSON, for example "redis". */
  readonly name: string;
  /** What it does for one order, in one sentence without a period, for the report. */
  readonly work: string;
  /** The loads to measure it with. */
  readonly levels: readonly Level[];
  /** Resolves to one line that names what this machine lacks and how to get it, or to undefined if nothing is missing. */
  missing(): Promise<string | undefined>;
  /**
   * Starts it, in processes of its own, and resolves when it can be loaded. It stores everything in this folder, which is
   * empty, or has what an earlier start left when it was stopped or killed, from which it goes on.
   */
  start(folder: string): Promise<RunningPeer>;
}

/** A load to measure a peer with. */
export interface Level {
  /** Orders that wait for an answer at any time: the number of clients, or clients times their pipeline. */
  readonly inFlight: number;
  /** How many of these go in one message or pipeline, if that is the generator's choice. Default 1. */
  readonly pipelined?: number;
}

/** A running peer. */
export interface RunningPeer {
  /** Asks for this many orders, each with a request_id of its own, and rejects unless all are answered with success. */
  load(level: Level, orders: number): Promise<LoadResult>;
  /** Reads what it has stored, while nothing loads it. */
  check(): Promise<Density>;
  /** Shuts it down in its own way. */
  stop(): Promise<void>;
  /** Ends all its processes by kill -9, even under load; that load may then resolve or reject. */
  kill(): Promise<void>;
}

/** What one load measured; what its generator does not measure is absent. */
export interface LoadResult {
  /** Answered orders, including those of a warm-up: as many as the peer has stored because of this load. */
  readonly answered: number;
  readonly perSecond: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Processor time of the generator, and of the peer, in microseconds per order. */
  readonly generatorMicros?: number;
  readonly serverMicros?: number;
  /** Shares of one core that threads of the peer took, by the name of the thread. */
  readonly threads?: Readonly<Record<string, number>>;
}

/** Whether the stored numbers are 1, 2, 3, … over all orders, and in each store. */
export interface Density {
  /** Stored orders. */
  readonly orders: number;
  /** Numbers that are missing below the highest one, or counted but not stored. */
  readonly holes: number;
  /** Numbers that were given to more than one order. */
  readonly repeats: number;
}
