import type {
  handleServerStreamingCall,
  handleUnaryCall,
  sendUnaryData,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import type { OrderError } from '../../core/errors.ts';
import type { EnteredCall } from '../methods/entered-call.ts';
import type { ServedMethod } from '../methods/served-method.ts';
import type { StreamCall } from '../methods/server-stream.ts';
import type { Refusal, ServedUnary } from '../methods/unary.ts';
import { UnaryCall } from '../methods/unary.ts';
import { enteredBy } from './entrance.ts';
import { goneSignal } from './enforcement/gone-signal.ts';
import { statusOf, toStatus } from './status.ts';

/** The handler that grpc-js calls for a method, which gets only admitted calls. */
export function handlerOf(served: ServedMethod): UntypedHandleCall {
  if (served.isStream) {
    const handle: handleServerStreamingCall<unknown, unknown> = (rpc) => served.start(new GrpcStream(rpc));
    return handle as UntypedHandleCall;
  }
  const { method } = served;
  const handle: handleUnaryCall<unknown, unknown> = (rpc, callback) =>
    served.start(new GrpcUnaryCall(method, rpc, callback));
  return handle as UntypedHandleCall;
}

class GrpcUnaryCall extends UnaryCall<unknown, unknown> {
  readonly #rpc: ServerUnaryCall<unknown, unknown>;
  readonly #callback: sendUnaryData<unknown>;
  /** As performance.now() counts: a clock that is set ahead expires no call. */
  readonly #deadlineMs: number;

  constructor(method: ServedUnary['method'], rpc: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) {
    super(method, enteredBy(rpc));
    this.#rpc = rpc;
    this.#callback = callback;
    this.#deadlineMs = performance.now() + Number(rpc.getDeadline()) - Date.now();
  }

  override get request(): unknown {
    return this.#rpc.request;
  }

  override get aborted(): boolean {
    return this.#rpc.cancelled || performance.now() >= this.#deadlineMs;
  }

  protected override send(response: unknown): void {
    this.#callback(null, response);
  }

  protected override sendRefusal(refusal: Refusal): void {
    this.#callback(statusOf(refusal));
  }
}

class GrpcStream implements StreamCall<unknown, unknown> {
  readonly entered: EnteredCall;
  readonly gone: AbortSignal;
  readonly #rpc: ServerWritableStream<unknown, unknown>;

  constructor(rpc: ServerWritableStream<unknown, unknown>) {
    this.entered = enteredBy(rpc);
    this.gone = goneSignal(rpc);
    this.#rpc = rpc;
  }

  get request(): unknown {
    return this.#rpc.request;
  }

  write(message: unknown, taken: () => void): void {
    this.#rpc.write(message, taken);
  }

  end(): void {
    this.#rpc.end();
  }

  refuse(error: OrderError): void {
    // A read can always be retried.
    this.#rpc.emit('error', toStatus(error, true));
  }
}
