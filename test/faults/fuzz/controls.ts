import { MAX_COUNT } from '../../../src/core/allocation.ts';
import type { Allocator } from '../../../src/core/allocator.ts';
import type { Caller } from '../../../src/core/calls/caller.ts';
import { orderNumberService } from '../../../src/server/methods/order-number-service.ts';
import type { ServedUnary } from '../../../src/server/methods/unary.ts';
import { isMessage } from '../../../src/wire/message-form.ts';
import type { Random } from '../frame/random.ts';
import type { Finding } from './fuzzer.ts';
import { fuzz } from './fuzzer.ts';
import type { Serve } from './targets/fuzzed-service.ts';
import type { Protection } from './targets/protobuf-requests.ts';
import { protobufTargets } from './targets/protobuf-requests.ts';

/** Inputs with which every control finds what is missing. */
const INPUTS = 640;

/** What a fuzzer without one of the protections finds. */
export interface FuzzControl {
  readonly name: string;
  readonly findings: readonly Finding[];
}

/** A count below 0 is no refusal, but an error of the program. */
const throwing: Serve = (context) => {
  const methods = orderNumberService(context);
  const served = methods['allocateOrders'] as ServedUnary;
  const start: typeof served.start = (call) => {
    if ((call.request as { readonly count: number }).count < 0) call.refuse(new RangeError('a count below 0'));
    else served.start(call);
  };
  return { ...methods, allocateOrders: { ...served, start } };
};

/** A count above the bound costs a number before it is refused. */
const burning: Serve = (context) => {
  const { allocator } = context;
  const enqueue: Allocator['enqueue'] = (asked, caller) => {
    if (asked.count > MAX_COUNT) allocator.enqueue({ ...asked, count: 1, requestId: '' }, NOBODY);
    allocator.enqueue(asked, caller);
  };
  const burner = Object.create(allocator, { enqueue: { value: enqueue } }) as Allocator;
  return orderNumberService({ ...context, allocator: burner });
};

const NOBODY: Caller = { signal: { aborted: false }, origin: 'fuzzer', resolve() {}, reject() {} };

const CONTROLS: readonly (readonly [name: string, method: string, protection: Protection])[] = [
  ['a decoder that reads as far as it can', 'AllocateOrder', { isMessage: () => true, serve: orderNumberService }],
  ['a method that throws what is no refusal', 'AllocateOrders', { isMessage, serve: throwing }],
  ['a refusal that burns a number', 'AllocateOrders', { isMessage, serve: burning }],
];

export async function controlsOf(random: Random): Promise<readonly FuzzControl[]> {
  return Promise.all(
    CONTROLS.map(async ([name, method, protection]) => {
      const target = protobufTargets(protection).find((one) => one.name === `protobuf ${method}`)!;
      return { name, findings: (await fuzz(target, INPUTS, random.fork())).findings };
    }),
  );
}
