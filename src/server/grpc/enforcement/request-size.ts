import type { Server, ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import { OrderError } from '../../../core/errors.ts';
import { requestTooLarge } from '../../../core/refusals.ts';
import type { MessageForm } from '../../../wire/message-form.ts';
import { isMessage, NOT_BINARY } from '../../../wire/message-form.ts';
import { MAX_REQUEST_BYTES } from '../../limits.ts';
import { toStatus } from '../status.ts';

/** What a handler gets in the place of a message that it must not see. */
export class RefusedMessage {
  readonly refusal: OrderError;

  constructor(refusal: OrderError) {
    this.refusal = refusal;
  }
}

/** The messages that a service takes. */
export interface RequestBounds {
  /** The names of methods whose messages may be as large as the library's limit; those of others have MAX_REQUEST_BYTES. */
  readonly large?: ReadonlySet<string>;
  /** How the messages of a method must be written, by its name; what the decoder makes of them is enough for others. */
  readonly forms?: ReadonlyMap<string, MessageForm>;
  /** Told of each call that was refused for its message. */
  onRefused?(call: object, error: OrderError): void;
}

/** The parts of a call that every kind of it has. */
interface AnyCall {
  readonly request?: unknown;
  emit(event: 'error', status: object): boolean;
}

/**
 * Adds a service, and refuses messages that are too large for their method, or are none: the library has one limit for
 * all, and answers INTERNAL to what cannot be decoded. A method that reads several messages finds a {@link RefusedMessage}.
 */
export function addService(
  server: Server,
  service: ServiceDefinition,
  handlers: Readonly<Record<string, UntypedHandleCall>>,
  { large = new Set(), forms = new Map(), onRefused = () => {} }: RequestBounds = {},
): void {
  const names = Object.keys(service);
  const definitions = names.map((name) => {
    const maxBytes = large.has(name) ? Infinity : MAX_REQUEST_BYTES;
    return [name, bounded(service[name]!, maxBytes, forms.get(name))] as const;
  });
  const guarded = names.map((name) => [name, refusing(handlers[name]!, onRefused)] as const);
  server.addService(Object.fromEntries(definitions) as ServiceDefinition, Object.fromEntries(guarded));
}

function bounded(
  method: ServiceDefinition[string],
  maxBytes: number,
  form: MessageForm | undefined,
): ServiceDefinition[string] {
  const requestDeserialize = (bytes: Buffer): unknown => {
    if (bytes.length > maxBytes) return new RefusedMessage(requestTooLarge(bytes.length, maxBytes));
    if (form && !isMessage(bytes, form)) return malformed();
    try {
      return method.requestDeserialize(bytes);
    } catch {
      return malformed();
    }
  };
  return { ...method, requestDeserialize };
}

function malformed(): RefusedMessage {
  return new RefusedMessage(new OrderError('REQUEST_MALFORMED', NOT_BINARY));
}

function refusing(handle: UntypedHandleCall, onRefused: (call: object, error: OrderError) => void): UntypedHandleCall {
  const next = handle as (call: AnyCall, callback?: (status: object) => void) => void;
  const guarded = (call: AnyCall, callback?: (status: object) => void): void => {
    if (!(call.request instanceof RefusedMessage)) return next(call, callback);
    const { refusal } = call.request;
    const status = toStatus(refusal, false);
    if (callback) callback(status);
    else call.emit('error', status);
    onRefused(call, refusal);
  };
  return guarded as UntypedHandleCall;
}
