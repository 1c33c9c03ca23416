import type { ClientProcess } from '../generators/client-load.ts';
import { requireAnswers } from '../generators/client-load.ts';
import type { UnaryResult } from '../generators/h2load.ts';
import { runClosedLoop, runFlood, runForSeconds } from '../generators/h2load.ts';
import { STORES } from '../ours/client-peers.ts';
import { BATCH, ONE_ORDER, ORDERS_PER_BATCH } from '../ours/unary-peers.ts';
import type { ServerProcess } from '../processes/server-process.ts';

/** A way in which h2load asks for orders. */
interface UnaryWay {
  readonly name: string;
  readonly call: typeof ONE_ORDER;
  readonly ordersPerCall: number;
  /** Calls in flight at the peak. */
  readonly peakInFlight: number;
  /** Connections of each of the four generators in a flood: enough for more calls than a server lets wait. */
  readonly connections: number;
}

const UNARY_WAYS: readonly UnaryWay[] = [
  { name: 'one per call', call: ONE_ORDER, ordersPerCall: 1, peakInFlight: 400, connections: 8 },
  { name: '1000 per call', call: BATCH, ordersPerCall: ORDERS_PER_BATCH, peakInFlight: 8, connections: 1 },
];
/** A client is not loaded at twice its peak rate: on two cores it could not send that fast, and would itself refuse. */
const CLIENT_IN_FLIGHT = 2000;
const TIMES_IN_FLIGHT = 10;
const TIMES_RATE = 2;
/** Orders of the warm-up before a peak is measured; the client's peak takes as many per second. */
const WARM_UP = 40_000;
/** The load lasts this many times as long as a run of the comparison. */
const STRETCH = 3;

/** One way to ask for orders, and how much of it is too much. */
export interface Offer {
  readonly name: string;
  /** Orders per second at the peak, on a server that is to be overloaded next. */
  peak(): Promise<Peak>;
  /** Resolves, once all orders are answered or refused, to what the generator measured. */
  run(peakPerSecond: number): Promise<Asked>;
  /** Orders are asked for during these seconds; absent means until `run` resolves. */
  readonly seconds?: number;
}

export interface Peak {
  readonly perSecond: number;
  /** Answered orders, all of which the ledger has to have: h2load does not see refusals. */
  readonly answered: number;
}

/** What a generator knows of the orders of an overload: how long its calls took, answered or refused. */
export interface Asked {
  readonly orders: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Makes an offer to a running server, or to a running client of it. */
export type OfferTo = (server: ServerProcess, client: ClientProcess) => Offer;

/** All offers. Runs of `seconds` measure the peak; `folder` is for logs. */
export function offers({ seconds, folder }: { readonly seconds: number; readonly folder: string }): OfferTo[] {
  const long = seconds * STRETCH;
  const both = ({ name, call, ordersPerCall, peakInFlight, connections }: UnaryWay): OfferTo[] => {
    const inFlight = peakInFlight * TIMES_IN_FLIGHT;
    const loadOf = ({ address }: ServerProcess, orders: number) => {
      return { address, ...call, folder, calls: Math.ceil(orders / ordersPerCall) };
    };
    const asked = ({ calls, p50Ms, p99Ms }: UnaryResult) => ({ orders: calls * ordersPerCall, p50Ms, p99Ms });
    const peakOf = async (server: ServerProcess) => {
      const warm = await runClosedLoop(loadOf(server, WARM_UP), peakInFlight);
      const orders = warm.perSecond * ordersPerCall * seconds;
      const { calls, perSecond } = await runClosedLoop(loadOf(server, orders), peakInFlight);
      return { perSecond: perSecond * ordersPerCall, answered: (warm.calls + calls) * ordersPerCall };
    };
    return [
      (server) => ({
        name: `${name}, ${inFlight} calls in flight`,
        peak: () => peakOf(server),
        seconds: long,
        run: async () => asked(await runForSeconds(loadOf(server, 0), inFlight, long)),
      }),
      (server) => ({
        name: `${name}, twice the rate`,
        peak: () => peakOf(server),
        seconds: long,
        run: async (peak) => {
          const rate = peak * TIMES_RATE;
          return asked(await runFlood(loadOf(server, rate * long), rate / ordersPerCall, connections));
        },
      }),
    ];
  };
  return [...UNARY_WAYS.flatMap(both), (_, client) => clientOffer(client, seconds)];
}

function clientOffer(client: ClientProcess, seconds: number): Offer {
  const ask = async (inFlight: number, orders: number) => {
    const result = await client.ask({ inFlight, orders: Math.round(orders), stores: STORES });
    requireAnswers(result, Math.round(orders));
    return result;
  };
  const inFlight = CLIENT_IN_FLIGHT * TIMES_IN_FLIGHT;
  return {
    name: `client, ${inFlight} in flight`,
    async peak() {
      await ask(CLIENT_IN_FLIGHT, WARM_UP);
      const orders = WARM_UP * seconds;
      const { ms } = await ask(CLIENT_IN_FLIGHT, orders);
      return { perSecond: (orders / ms) * 1000, answered: WARM_UP + orders };
    },
    async run(peak) {
      const { answered, p50Ms, p99Ms } = await ask(inFlight, peak * seconds * STRETCH);
      return { orders: answered, p50Ms, p99Ms };
    },
  };
}
