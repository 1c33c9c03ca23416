import { pino } from 'pino';
import type { Allocator } from '../../../src/core/allocator.ts';
import type { ServiceContext } from '../../../src/server/grpc/service-context.ts';
import type { Ledger } from '../../../src/core/ledger.ts';

/** What a gRPC service works on where nobody listens to the log and the metrics, and nobody stops it. */
export function serviceContext(
  allocator: Allocator,
  ledger: Ledger,
  others: Partial<ServiceContext> = {},
): ServiceContext {
  return {
    allocator,
    ledger,
    logger: pino({ level: 'silent' }),
    observer: { ended() {} },
    stopping: new AbortController().signal,
    ...others,
  };
}
