import { isDeepStrictEqual } from 'node:util';
import type { DescMethod } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import { MAX_BATCH_BYTES, MAX_REQUEST_BYTES } from '../../../../src/server/limits.ts';
import { readDescriptors } from '../../../../src/server/http/connect/descriptors.ts';
import { malformedMessage } from '../../../../src/server/http/connect/malformed-message.ts';
import { MessageBridge } from '../../../../src/server/http/connect/message-bridge.ts';
import { orderNumberService } from '../../../../src/server/methods/order-number-service.ts';
import { isMessage, messageFormOf } from '../../../../src/wire/message-form.ts';
import { corpusOf, printBytes } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateProtobuf } from '../mutate/protobuf.ts';
import type { Serve } from './fuzzed-service.ts';
import { CODECS, FuzzedService } from './fuzzed-service.ts';

const { service, registry } = readDescriptors();
const FORMS = new Map(service.methods.map((method) => [method, messageFormOf(method.input)]));

/** What keeps bad requests out; a control has another one. */
export interface Protection {
  readonly isMessage: typeof isMessage;
  /** Serves the methods. */
  readonly serve: Serve;
}

const PROTECTION: Protection = { isMessage, serve: orderNumberService };

/** The bytes of a request of each method, decoded as gRPC and as Connect decode them, then served. */
export function protobufTargets(protection = PROTECTION): readonly FuzzTarget<Buffer>[] {
  const corpus = corpusOf('protobuf-requests');
  return service.methods.map((method) => {
    const fuzzed = new FuzzedService(protection.serve);
    const seeds = corpus.filter(({ name }) => name === method.name).map(({ value }) => Buffer.from(value, 'hex'));
    return {
      name: `protobuf ${method.name}`,
      seeds,
      mutate: mutateProtobuf,
      print: (input) => `${method.name} ${printBytes(input)}`,
      check: (input) => checkRequest(fuzzed, method, input, protection),
      settle: () => fuzzed.settle(),
    };
  });
}

async function checkRequest(
  fuzzed: FuzzedService,
  method: DescMethod,
  input: Buffer,
  protection: Protection,
): Promise<string> {
  const isBatch = fuzzed.method(method.localName).method.isBatch ?? false;
  if (input.length > (isBatch ? MAX_BATCH_BYTES : MAX_REQUEST_BYTES)) return 'too large';
  const request = decoded(method, input, protection);
  const isMalformed = malformedMessage({ isJson: false, bytes: input }, method.input, registry) !== undefined;
  if (request === undefined) {
    if (!isMalformed) throw new Error('Connect reads it, and gRPC does not');
    return 'malformed';
  }
  if (isMalformed && !isMessage(input, FORMS.get(method)!)) throw new Error('gRPC reads it, and it is no message');
  // Connect refuses a message with text that is not UTF-8, and gRPC the text, as the value that it is.
  if (isMalformed) return fuzzed.call(method.localName, request);
  const bridged = new MessageBridge(method).toRequest(fromBinary(method.input, input));
  if (!isDeepStrictEqual(bridged, request)) throw new Error('Connect and gRPC read different messages');
  const { requestSerialize, requestDeserialize } = CODECS[method.localName]!;
  if (!isDeepStrictEqual(requestDeserialize(requestSerialize(request)), request)) {
    throw new Error('it is another message when it is encoded again');
  }
  return fuzzed.call(method.localName, request);
}

/** As the server decodes it; undefined if it is refused. */
function decoded(method: DescMethod, input: Buffer, protection: Protection): unknown {
  if (!protection.isMessage(input, FORMS.get(method)!)) return undefined;
  try {
    return CODECS[method.localName]!.requestDeserialize(input);
  } catch {
    return undefined;
  }
}
