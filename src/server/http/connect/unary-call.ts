import type { Message } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { Code, ConnectError } from '@connectrpc/connect';
import { keyToRetryWith } from '../../methods/rpc-status.ts';
import type { Refusal, ServedUnary } from '../../methods/unary.ts';
import { UnaryCall } from '../../methods/unary.ts';
import type { EnteredCall } from '../../methods/entered-call.ts';
import type { MessageBridge } from './message-bridge.ts';

/** What turns the answers of a method into the library's. */
export interface AnswerForm {
  readonly bridge: MessageBridge;
  toConnectError(refusal: Refusal): ConnectError;
}

/** One call of a unary method over Connect or gRPC-Web. */
export class ConnectUnaryCall extends UnaryCall<unknown, unknown> {
  override readonly request: unknown;
  readonly #context: HandlerContext;
  readonly #form: AnswerForm;
  readonly #answered = Promise.withResolvers<Message>();

  constructor(
    method: ServedUnary['method'],
    entered: EnteredCall,
    request: unknown,
    context: HandlerContext,
    form: AnswerForm,
  ) {
    super(method, entered);
    this.request = request;
    this.#context = context;
    this.#form = form;
  }

  /**
   * Settles when the call is answered. At its deadline it rejects at once, with a bare DEADLINE_EXCEEDED as gRPC does:
   * a batch may have the request, and the outcome of the batch decides how the call is counted.
   */
  get answered(): Promise<Message> {
    const { signal } = this.#context;
    const leave = () => this.#answered.reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    return this.#answered.promise;
  }

  override get aborted(): boolean {
    return this.#context.signal.aborted;
  }

  protected override send(response: unknown): void {
    try {
      this.#answered.resolve(this.#form.bridge.toMessage(response));
    } catch (error) {
      this.#answered.reject(new ConnectError('the answer cannot be encoded', Code.Internal));
      throw error;
    }
  }

  protected override sendRefusal(refusal: Refusal): void {
    const key = keyToRetryWith(refusal.error);
    if (key !== undefined) this.#context.responseTrailer.set('request-id', key);
    this.#answered.reject(this.#form.toConnectError(refusal));
  }
}
