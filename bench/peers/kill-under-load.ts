import { randomUUID } from 'node:crypto';
import type { Density } from '../peer.ts';
import type { NumberingPeer, Order, OrderClient, Pair } from './order-client.ts';

const ORDERS = 1000;
/** Few, so that the sequences of the stores are long. */
const STORES = 10;
/** Callers, each with one order at a time. */
const CALLERS = 64;
/** Answers after which the peer is killed: in the middle of the load. */
const ANSWERS_BEFORE = 500;

/** The effect of a kill -9 under load on the orders. All but the first two should be 0. */
export interface KillResult {
  readonly orders: number;
  /** Answered before the kill. */
  readonly acknowledged: number;
  /** Orders that were answered before the kill and have another pair, or none, after the restart. */
  readonly lost: number;
  /** Numbers that two orders were answered with or have stored, and orders that are stored twice. */
  readonly repeats: number;
  readonly holes: number;
}

/** The pairs that callers were answered with, by request_id. */
export type Answers = ReadonlyMap<string, Pair>;

/**
 * Kills a peer under load, starts it again on what it left, and retries all orders with the same request_ids. The folder
 * has to be empty.
 */
export async function killUnderLoad(peer: NumberingPeer, folder: string): Promise<KillResult> {
  const orders = Array.from({ length: ORDERS }, (_, i) => ({ storeId: 1 + (i % STORES), requestId: randomUUID() }));
  const told = await askUntilKilled(peer, folder, orders);
  if (told.size === orders.length) throw new Error(`${peer.name}: all orders were answered before the kill`);
  const running = await peer.start(folder);
  try {
    const client = await running.connect();
    // In reverse order, because a peer that forgot all orders would otherwise number them as before.
    const found = await askAll(client, orders.toReversed());
    await client.close();
    return {
      orders: orders.length,
      acknowledged: told.size,
      ...compareAnswers(orders, told, found, await running.check()),
    };
  } finally {
    await running.stop();
  }
}

async function askUntilKilled(peer: NumberingPeer, folder: string, orders: readonly Order[]): Promise<Answers> {
  const running = await peer.start(folder);
  const client = await running.connect();
  const told = new Map<string, Pair>();
  const waiting = orders.values();
  let killed: Promise<void> | undefined;
  const caller = async () => {
    for (const order of waiting) {
      told.set(order.requestId, await client.number(order));
      if (told.size >= ANSWERS_BEFORE) killed ??= running.kill().then(() => client.close());
    }
  };
  // Every caller ends with the error of the order that was not answered.
  await Promise.allSettled(Array.from({ length: CALLERS }, caller));
  await killed;
  return told;
}

async function askAll(client: OrderClient, orders: readonly Order[]): Promise<Answers> {
  const told = new Map<string, Pair>();
  const waiting = orders.values();
  const caller = async () => {
    for (const order of waiting) told.set(order.requestId, await client.number(order));
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return told;
}

/**
 * Compares the answers before a kill with those after it, and with what is stored.
 * @param found must have all orders
 */
export function compareAnswers(
  orders: readonly Order[],
  told: Answers,
  found: Answers,
  density: Density,
): Pick<KillResult, 'lost' | 'repeats' | 'holes'> {
  const lost = [...told].filter(([requestId, pair]) => !isSame(pair, found.get(requestId)));
  const owners = new Map<string, Set<string>>();
  for (const { storeId, requestId } of orders) {
    for (const pair of [told.get(requestId), found.get(requestId)]) {
      if (!pair) continue;
      for (const number of [`all ${pair.orderId}`, `store ${storeId}: ${pair.orderNumber}`]) {
        owners.set(number, (owners.get(number) ?? new Set()).add(requestId));
      }
    }
  }
  const shared = [...owners.values()].filter(({ size }) => size > 1);
  const storedTwice = Math.max(0, density.orders - orders.length);
  return { lost: lost.length, repeats: shared.length + density.repeats + storedTwice, holes: density.holes };
}

function isSame(one: Pair, other: Pair | undefined): boolean {
  return one.orderId === other?.orderId && one.orderNumber === other.orderNumber;
}
