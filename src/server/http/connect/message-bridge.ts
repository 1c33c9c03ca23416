import type { DescMethod, Message } from '@bufbuild/protobuf';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { OrderNumberServiceService } from '../../../wire/gen/orders/v1/orders.ts';

/**
 * Turns the messages of the Connect library into those of the methods, and back. Both know the binary form, which is
 * exact, and small beside the JSON around it.
 */
export class MessageBridge {
  readonly #method: DescMethod;
  readonly #codec: ServiceDefinition[string];

  constructor(method: DescMethod) {
    this.#method = method;
    this.#codec = (OrderNumberServiceService as ServiceDefinition)[method.localName]!;
  }

  toRequest(message: Message): unknown {
    return this.#codec.requestDeserialize(Buffer.from(toBinary(this.#method.input, message)));
  }

  /** Throws if the response cannot be encoded. */
  toMessage(response: unknown): Message {
    return fromBinary(this.#method.output, this.#codec.responseSerialize(response));
  }
}
