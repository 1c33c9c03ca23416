import type { DescMessage, DescMethod } from '@bufbuild/protobuf';
import { equals, fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { MAX_BATCH_BYTES, MAX_REQUEST_BYTES } from '../../../../src/server/limits.ts';
import { toConnectError } from '../../../../src/server/http/connect/connect-error.ts';
import { readDescriptors } from '../../../../src/server/http/connect/descriptors.ts';
import { malformedMessage } from '../../../../src/server/http/connect/malformed-message.ts';
import { MessageBridge } from '../../../../src/server/http/connect/message-bridge.ts';
import { refusalFor } from '../../../../src/server/methods/rpc-status.ts';
import { corpusOf, printText } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateJson } from '../mutate/json.ts';
import { checkRefusal, FuzzedService } from './fuzzed-service.ts';

const { service, registry } = readDescriptors();

/** The JSON of a request of each method, checked and read as Connect does, then served. */
export function connectTargets(): readonly FuzzTarget<string>[] {
  const corpus = corpusOf('connect-json');
  return service.methods.map((method) => {
    const fuzzed = new FuzzedService();
    const names = namesIn(method.input);
    return {
      name: `JSON ${method.name}`,
      seeds: corpus.filter(({ name }) => name === method.name).map(({ value }) => JSON.parse(value) as string),
      mutate: (input, other, random) => mutateJson(input, other, random, names),
      print: (input) => `${method.name} ${printText(input)}`,
      check: (input) => checkJson(fuzzed, method, input),
      settle: () => fuzzed.settle(),
    };
  });
}

function namesIn({ fields }: DescMessage): readonly string[] {
  const own = fields.flatMap(({ jsonName, name, message }) => [jsonName, name, ...(message ? namesIn(message) : [])]);
  return ['__proto__', 'toString', ...own];
}

async function checkJson(fuzzed: FuzzedService, method: DescMethod, input: string): Promise<string> {
  const bytes = Buffer.from(input);
  const isBatch = fuzzed.method(method.localName).method.isBatch ?? false;
  if (bytes.length > (isBatch ? MAX_BATCH_BYTES : MAX_REQUEST_BYTES)) return 'too large';
  const malformed = malformedMessage({ isJson: true, bytes }, method.input, registry);
  if (malformed) {
    const { error, where } = malformed;
    const refusal = { ...refusalFor(error, false), ...(where !== undefined && { where }) };
    toConnectError(refusal, registry);
    return checkRefusal(refusal);
  }
  const options = { registry, ignoreUnknownFields: false };
  // The library drops a byte order mark, too.
  const message = fromJsonString(method.input, new TextDecoder().decode(bytes), options);
  if (!equals(method.input, fromJsonString(method.input, toJsonString(method.input, message), options), message)) {
    throw new Error('it is another message when it is written again');
  }
  return fuzzed.call(method.localName, new MessageBridge(method).toRequest(message));
}
