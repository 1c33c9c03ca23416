/**
 * A system that numbers orders, or the part of one that bounds it, as the benchmark starts, loads, kills and checks it.
 * Our own server is measured through the same interface as what it is compared with.
 */
export interface Peer {
  /** As in the tables and the JSON, for example "redis". */
  readonly name: string;
  /** What it does for one order, in one sentence without a period, for the report. */
  readonly work: string;
  /** The loads that it is measured with. */
  readonly levels: readonly Level[];
  /** Resolves to one line that names what this machine lacks and how to get it, or to undefined if nothing is missing. */
  missing(): Promise<string | undefined>;
  /**
   * Starts it, in processes of its own, and resolves when it can be loaded. What it stores is in this folder, which is
   * empty, or is what an earlier start left there when it was stopped or killed: then it goes on from that.
   */
  start(folder: string): Promise<RunningPeer>;
}

/** A load that a peer is measured with. */
export interface Level {
  /** Orders that are asked for and not yet answered, at any time: clients, or clients times their pipeline. */
  readonly inFlight: number;
  /** How many of these go in one message or pipeline, if that is the generator's choice. Default 1. */
  readonly pipelined?: number;
}

/** A peer that runs. */
export interface RunningPeer {
  /** Numbers this many orders, for which there are different request ids, and rejects unless all were answered well. */
  load(level: Level, orders: number): Promise<LoadResult>;
  /** Reads what it has stored. Nothing is loading it meanwhile. */
  check(): Promise<Density>;
  /** Ends it in its own way. */
  stop(): Promise<void>;
  /** Ends all its processes by kill -9, also while it is loaded; the load then ends, however it likes. */
  kill(): Promise<void>;
}

/** What one load measured; what a generator cannot tell is absent. */
export interface LoadResult {
  /** Orders that were answered, also those of a warm-up: as many as the peer has stored because of this load. */
  readonly answered: number;
  readonly perSecond: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Processor time of the generator and of the peer, in microseconds per order. */
  readonly generatorMicros?: number;
  readonly serverMicros?: number;
  /** Shares of one core that threads of the peer took, by the name of the thread. */
  readonly threads?: Readonly<Record<string, number>>;
}

/** Whether the numbers that were stored are 1, 2, 3, … of all orders, and of each store. */
export interface Density {
  /** Orders that are stored. */
  readonly orders: number;
  /** Numbers that are missing below the highest one, or counted but not stored. */
  readonly holes: number;
  /** Numbers that were given to more than one order. */
  readonly repeats: number;
}
