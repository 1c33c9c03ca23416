/** A server as it is now: a step of `watchServer`. */
export interface ServerStatus {
  /**
   * `ledger closed`: allocations wait until it opens. `draining`: the server is being stopped. `unknown`: a state that is
   * newer than this client.
   */
  state: 'serving' | 'ledger closed' | 'draining' | 'unknown';
  /** Why it does not serve, such as "disk full"; empty while it serves. */
  reason: string;
  /** How long the ledger has been closed; 0 while it is open. */
  ledgerClosedSeconds: number;
  /** The highest orderId that this server knows to be given; another server of the same ledger may have given higher. */
  lastOrderId: bigint;
  /** Requests that wait for a batch. */
  waitingRequests: number;
  /** What it did in the last interval; undefined until the first one is over. */
  activity: ServerActivity | undefined;
  /** The version of the server. */
  version: string;
  /** What keeps its ledger: "sqlite" or "postgres". */
  engine: string;
  startTime: Date;
}

/** What a server did in an interval of about one second. A duration is undefined if there was nothing to measure. */
export interface ServerActivity {
  /** How long the interval was. */
  seconds: number;
  /** Requests that were given new numbers; a run of many numbers is one request. */
  allocationsPerSecond: number;
  /** Requests that were answered with numbers given before: retries and duplicates. */
  replaysPerSecond: number;
  /** Requests for numbers that were refused, or given up by their callers. */
  refusalsPerSecond: number;
  /** How long half of the calls for numbers took at most, in milliseconds, refusals included. Within 1 %. */
  callP50Ms: number | undefined;
  /** The same for 99 of 100 calls. */
  callP99Ms: number | undefined;
  batchesPerSecond: number;
  /** Requests per batch, on average. */
  batchSize: number | undefined;
  /** How long half of the commits took at most, in milliseconds. Within 1 %. */
  commitP50Ms: number | undefined;
  /** The same for 99 of 100 commits. */
  commitP99Ms: number | undefined;
}
