import { parseArgs } from 'node:util';
import { Allocator } from '../../../../src/core/allocator.ts';
import type { LedgerObserver } from '../../../../src/core/observers.ts';
import { engineOf } from '../../../../src/engines/location.ts';
import { startEngine } from '../../../../src/engines/registry.ts';
import { parseAddress, formatAddress } from '../../../../src/server/address.ts';
import { startGrpcServer } from '../../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../../src/server/methods/order-number-service.ts';
import type { ServedMethod } from '../../../../src/server/methods/served-method.ts';
import type { UnaryCall } from '../../../../src/server/methods/unary.ts';
import { serviceContext } from '../../../support/processes/service-context.ts';
import { HeldReplies } from './held-replies.ts';
import { passes } from './points.ts';
import { LedgerWithPoints } from './ledger-with-points.ts';

// A program: the gRPC part of `order-numbers serve`, put together from the same parts, with points around them at which it
// is killed. It takes the same flags and writes the same first line.

const options = { ledger: { type: 'string' }, 'grpc-listen': { type: 'string' } } as const;
const { values } = parseArgs({ strict: false, options });
const settings = {
  ledger: String(values['ledger']),
  ledgerRead: 'off',
  autoCreateStores: true,
  create: true,
  expectLedgerId: 'none',
} as const;
const limits = { maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 0.5, requireRequestId: true };

function say(msg: string, fields: Record<string, string> = {}): void {
  process.stdout.write(`${JSON.stringify({ level: 'info', msg, ...fields })}\n`);
}

const observer: LedgerObserver = {
  opened: () => passes('when it has opened'),
  waiting: (why) => say(why),
  failed: (error) => say(String(error.cause)),
  lost: (why) => say(why),
  warning: (why) => say(why),
  transaction: () => {},
};

if (engineOf(settings.ledger) === 'dynamodb') await import('./dynamodb-points.ts');
const { ledger: served } = await startEngine(settings, observer);
const ledger = new LedgerWithPoints(served);
const allocator = new Allocator({ ...limits, ledger });
const replies = new HeldReplies();

function withPoints(method: ServedMethod): ServedMethod {
  if (method.isStream || !method.method.writes) return method;
  return {
    ...method,
    start(call: UnaryCall<unknown, unknown>) {
      passes('decoded');
      const answer = call.answer.bind(call);
      call.answer = (response) => replies.send(() => answer(response));
      method.start(call);
      if (allocator.queueLength > 0) passes('queued');
    },
  };
}

const context = serviceContext(allocator, ledger);
const methods = Object.entries(orderNumberService(context)).map(([name, method]) => [name, withPoints(method)]);
const server = await startGrpcServer(
  parseAddress(String(values['grpc-listen'])),
  Object.fromEntries(methods) as Record<string, ServedMethod>,
  context,
);
process.once('SIGTERM', async () => {
  server.stopAccepting();
  await allocator.drain(10_000);
  await server.close(500);
  await ledger.close();
  process.exit();
});
try {
  await ledger.ready();
} catch {
  process.exit(1);
}
server.setServing(true);
say('serving', { grpc: formatAddress(server.address) });
