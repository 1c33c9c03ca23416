import { setTimeout as delay } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { OrderNumberServiceClient } from '../../../../src/wire/gen/orders/v1/orders.ts';
import type { Attack, Target } from './attack.ts';
import { ATTACK_STORE, attackKey } from './attack.ts';

/** Ten times the calls in flight at which a server is fastest, 1,000. */
const IN_FLIGHT = 10_000;
const CONNECTIONS = 20;
/** Between two bursts of the open loop. */
const TICK_MS = 10;
/** How long the rate is measured, with this many calls in flight. */
const MEASURE_MS = 1000;
const MEASURE_IN_FLIGHT = 400;

/** Always this many calls in flight. */
const tenfold: Attack = async (target) => {
  const call = callerOf(target);
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (;;) await call();
    }),
  );
};

/** Twice as many calls per second as are answered, whether they are answered or not. */
const openLoop: Attack = async (target) => {
  const call = callerOf(target);
  let answers = 0;
  const start = performance.now();
  const measure = async () => {
    for (; performance.now() - start < MEASURE_MS; answers++) await call();
  };
  await Promise.all(Array.from({ length: MEASURE_IN_FLIGHT }, measure));
  const perTick = Math.ceil((answers * 2 * TICK_MS) / MEASURE_MS);
  for (let inFlight = 0; ; await delay(TICK_MS)) {
    // More would only fill the memory of the attacker.
    for (let i = 0; i < perTick && inFlight < 2 * IN_FLIGHT; i++) {
      inFlight++;
      void call().finally(() => inFlight--);
    }
  }
};

export const OVERLOADS: Readonly<Record<string, Attack>> = {
  'ten times the calls in flight': tenfold,
  'twice the rate in an open loop': openLoop,
};

/** Resolves when a call has ended, in whatever way. */
function callerOf(target: Target): () => Promise<void> {
  const stubs = Array.from(
    { length: CONNECTIONS },
    () =>
      new OrderNumberServiceClient(target.grpc, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_retries': 0,
      }),
  );
  let next = 0;
  return () => {
    const stub = stubs[next % stubs.length]!;
    const request = { storeId: ATTACK_STORE, requestId: attackKey(next++) };
    target.did(1);
    return new Promise((resolve) => void stub.allocateOrder(request, () => resolve()));
  };
}
