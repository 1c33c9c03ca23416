import type { Keys } from '../ledgers/keys.ts';
import { Program } from '../processes/program.ts';

/** A load that the bench asks of a process that calls client.allocate(). */
export interface ClientQuestion {
  readonly inFlight: number;
  readonly orders: number;
  readonly stores: number;
  /** The request_ids: "uuidv4" has random ones; by default the client creates them. */
  readonly keys?: Keys;
  /** An open loop at this rate; inFlight has no meaning then. */
  readonly perSecond?: number;
}

/** What became of the orders. */
export interface ClientResult {
  readonly answered: number;
  /** Orders that the client or the server refused with RESOURCE_EXHAUSTED, and how long that took. */
  readonly refused: number;
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
  /** Orders that ended in another way, and the message of the last of them. */
  readonly failures: number;
  readonly failure: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the first order to the last answer. */
  readonly ms: number;
  /** Processor time of the client's process per order, in microseconds. */
  readonly generatorMicros: number;
}

/** The client in this working tree. */
export const OUR_CLIENT = new URL('../../src/client/index.ts', import.meta.url).pathname;

/** Starts a process with a client, which connects at its first order. `module` exports createClient. */
export function startClient(address: string, { module = OUR_CLIENT, combine = true } = {}) {
  return new Program<ClientQuestion, ClientResult>('client-load.ts', module, address, String(combine));
}

export type ClientProcess = ReturnType<typeof startClient>;

/** Throws unless every order was answered. */
export function requireAnswers(result: ClientResult, orders: number): void {
  if (result.answered === orders) return;
  const { answered, refused, failures, failure } = result;
  throw new Error(`${answered} of ${orders} orders were answered, ${refused} refused, ${failures} failed: ${failure}`);
}
