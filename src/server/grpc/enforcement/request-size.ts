import type { Server, ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import type { OrderError } from '../../../core/errors.ts';
import { requestTooLarge } from '../../../core/refusals.ts';
import { MAX_REQUEST_BYTES } from '../../limits.ts';
import { toStatus } from '../status.ts';

/** What a handler gets in the place of a message that is too large for its method. */
export class Oversized {
  readonly refusal: OrderError;

  constructor(bytes: number) {
    this.refusal = requestTooLarge(bytes, MAX_REQUEST_BYTES);
  }
}

/** The parts of a call that every kind of it has. */
interface AnyCall {
  readonly request?: unknown;
  emit(event: 'error', status: object): boolean;
}

/**
 * Adds a service, and refuses messages above MAX_REQUEST_BYTES except those of `large` methods: the library has one
 * limit for all. A method that reads several messages finds them {@link Oversized}.
 */
export function addService(
  server: Server,
  service: ServiceDefinition,
  handlers: Readonly<Record<string, UntypedHandleCall>>,
  large: ReadonlySet<string> = new Set(),
  onRefused: (call: object, error: OrderError) => void = () => {},
): void {
  const small = Object.keys(service).filter((name) => !large.has(name));
  const definitions = small.map((name) => [name, sized(service[name]!)]);
  const guarded = small.map((name) => [name, refusing(handlers[name]!, onRefused)]);
  server.addService(
    { ...service, ...(Object.fromEntries(definitions) as ServiceDefinition) },
    { ...handlers, ...(Object.fromEntries(guarded) as Record<string, UntypedHandleCall>) },
  );
}

function sized(method: ServiceDefinition[string]): ServiceDefinition[string] {
  const deserialize = (bytes: Buffer): unknown =>
    bytes.length <= MAX_REQUEST_BYTES ? method.requestDeserialize(bytes) : new Oversized(bytes.length);
  return { ...method, requestDeserialize: deserialize };
}

function refusing(handle: UntypedHandleCall, onRefused: (call: object, error: OrderError) => void): UntypedHandleCall {
  const next = handle as (call: AnyCall, callback?: (status: object) => void) => void;
  const guarded = (call: AnyCall, callback?: (status: object) => void): void => {
    if (!(call.request instanceof Oversized)) return next(call, callback);
    const { refusal } = call.request;
    const status = toStatus(refusal, false);
    if (callback) callback(status);
    else call.emit('error', status);
    onRefused(call, refusal);
  };
  return guarded as UntypedHandleCall;
}
