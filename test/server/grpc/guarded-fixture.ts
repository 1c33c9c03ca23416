import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { Allocator } from '../../../src/core/allocator.ts';
import type { DoorContext } from '../../../src/server/calls.ts';
import { startGrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { orderNumberService } from '../../../src/server/methods/order-number-service.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';
import { isOfSlowMachine } from '../../support/log-lines.ts';
import { serviceContext } from '../../support/processes/service-context.ts';
import { KnownCallers } from '../../support/security/known-callers.ts';

/** A gRPC server in this process, on a ledger in memory, whose callers need a token. */
export class GuardedFixture {
  readonly ledger = new MemoryLedger();
  readonly allocator = new Allocator({
    ledger: this.ledger,
    maxBatch: 1000,
    maxQueue: 10_000,
    maxQueueShare: 0.5,
    requireRequestId: false,
  });
  readonly callers = new KnownCallers();
  /** The lines of the log, as they were written. */
  readonly lines: string[] = [];
  /** What was counted. */
  readonly ended: [method: string, result: string][] = [];
  address = '';

  static async open(others: Partial<DoorContext> = {}): Promise<GuardedFixture> {
    const fixture = new GuardedFixture();
    const { ledger, allocator, callers, lines, ended } = fixture;
    const context = serviceContext(allocator, ledger, {
      authenticator: callers,
      logger: pino({ level: 'trace' }, { write: (line) => void lines.push(line) }),
      observer: { ended: (_, method, result) => void ended.push([method.name, result]), requestsEnded() {} },
      ...others,
    });
    const server = await startGrpcServer({ host: '127.0.0.1', port: 0 }, orderNumberService(context), context);
    server.setServing(true);
    onTestFinished(() => server.close(0));
    fixture.address = `127.0.0.1:${server.address.port}`;
    return fixture;
  }

  get log(): readonly Readonly<Record<string, unknown>>[] {
    return this.lines
      .filter((line) => !isOfSlowMachine(line))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
