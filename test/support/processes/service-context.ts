import { pino } from 'pino';
import type { Allocator } from '../../../src/core/allocator.ts';
import type { DoorContext } from '../../../src/server/calls.ts';
import type { ServiceContext } from '../../../src/server/methods/service-context.ts';
import type { Ledger } from '../../../src/core/ledger.ts';
import { FailedAttempts } from '../../../src/server/security/failed-attempts.ts';
import { OPEN } from '../../../src/server/security/principal.ts';

/** The context of a gRPC service and its door, without log, metrics or stop. */
export function serviceContext(
  allocator: Allocator,
  ledger: Ledger,
  others: Partial<ServiceContext & DoorContext> = {},
): ServiceContext & DoorContext {
  return {
    allocator,
    ledger,
    logger: pino({ level: 'silent' }),
    observer: { ended() {}, requestsEnded() {} },
    authenticator: OPEN,
    failedAttempts: new FailedAttempts(),
    stopping: new AbortController().signal,
    ...others,
  };
}
