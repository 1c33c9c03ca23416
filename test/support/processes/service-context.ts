import { pino } from 'pino';
import type { Allocator } from '../../../src/core/allocator.ts';
import type { DoorContext } from '../../../src/server/calls.ts';
import { ActivityMeter } from '../../../src/server/figures/activity-meter.ts';
import type { ServerStatus } from '../../../src/server/figures/server-watch.ts';
import { ServerWatch } from '../../../src/server/figures/server-watch.ts';
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
    closing: new AbortController().signal,
    serverWatch: new ServerWatch(new ActivityMeter(), () => statusOf(allocator)),
    ...others,
  };
}

function statusOf(allocator: Allocator): ServerStatus {
  return {
    state: 'serving',
    reason: '',
    ledgerClosedSeconds: 0,
    lastOrderId: 0n,
    waitingRequests: allocator.queueLength,
    version: '0.0.0',
    engine: 'memory',
    startTimeMs: 0,
  };
}
