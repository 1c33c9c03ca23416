import type { ServerUnaryCall, UntypedHandleCall } from '@grpc/grpc-js';
import { Server } from '@grpc/grpc-js';
import { onTestFinished, vi } from 'vitest';

type RecordedCall = ServerUnaryCall<unknown, unknown>;

/** The library's own calls, as they reach the handlers of servers that start from now on in this test. */
export function recordCalls(): readonly RecordedCall[] {
  const calls: RecordedCall[] = [];
  const add = Server.prototype.addService;
  const spy = vi.spyOn(Server.prototype, 'addService').mockImplementation(function (this: Server, service, handlers) {
    const recorded = Object.entries(handlers).map(([name, handle]) => {
      const next = handle as (call: RecordedCall, callback: unknown) => void;
      return [name, (call: RecordedCall, callback: unknown) => (calls.push(call), next(call, callback))] as const;
    });
    return add.call(this, service, Object.fromEntries(recorded) as Record<string, UntypedHandleCall>);
  });
  onTestFinished(() => spy.mockRestore());
  return calls;
}
