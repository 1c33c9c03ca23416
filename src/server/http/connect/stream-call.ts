import type { Message } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { ConnectError } from '@connectrpc/connect';
import type { OrderError } from '../../../core/errors.ts';
import type { EnteredCall } from '../../methods/entered-call.ts';
import { refusalFor } from '../../methods/rpc-status.ts';
import type { StreamCall } from '../../methods/server-stream.ts';
import type { AnswerForm } from './unary-call.ts';

/** A message that waits until the client has taken the one before it. */
interface Waiting {
  readonly message: Message;
  readonly taken: () => void;
}

/** One call of a streaming method over Connect or gRPC-Web: the method writes, the library reads. */
export class ConnectStream implements StreamCall<unknown, unknown> {
  readonly entered: EnteredCall;
  readonly request: unknown;
  readonly gone: AbortSignal;
  readonly #form: AnswerForm;
  /** Ends the connection: a client that reads nothing would never see the end of its call. */
  readonly #cut: () => void;
  #waiting: Waiting | undefined;
  #end: { readonly error: unknown } | undefined;
  #wake = () => {};

  constructor(entered: EnteredCall, request: unknown, { signal }: HandlerContext, form: AnswerForm, cut: () => void) {
    this.entered = entered;
    this.request = request;
    this.gone = signal;
    this.#form = form;
    this.#cut = cut;
  }

  write(message: unknown, taken: () => void): void {
    this.#waiting = { message: this.#form.bridge.toMessage(message), taken };
    this.#wake();
  }

  end(): void {
    const { aborted, reason } = this.gone;
    // At its deadline, the call ends with DEADLINE_EXCEEDED.
    this.#finish(aborted && reason instanceof ConnectError ? reason : undefined);
  }

  refuse(error: OrderError): void {
    // A read can always be retried.
    this.#finish(this.#form.toConnectError(refusalFor(error, true)));
    if (error.reason === 'CANCELLED') this.#cut();
  }

  /** The messages, one by one: the library asks for the next when the client has taken the one before it. */
  async *messages(): AsyncGenerator<Message> {
    for (;;) {
      if (this.#waiting) {
        const { message, taken } = this.#waiting;
        yield message;
        this.#waiting = undefined;
        taken();
      } else if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  #finish(error: unknown): void {
    this.#end = { error };
    this.#wake();
  }
}
