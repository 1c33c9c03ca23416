import type { Server, ServerDuplexStream, ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { toOrderError } from '../../../core/refusals.ts';
import type { CalledMethod } from '../../calls.ts';
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from '../../../wire/gen/grpc/reflection/v1/reflection.ts';
import { ServerReflectionService } from '../../../wire/gen/grpc/reflection/v1/reflection.ts';
import { readDescriptorSet } from '../../../wire/descriptors.ts';
import { REFLECTION_STREAMS } from '../../limits.ts';
import { enteredBy } from '../entrance.ts';
import { DescriptorIndex } from './descriptor-index.ts';
import { addService, RefusedMessage } from '../enforcement/request-size.ts';
import { send } from '../../methods/sending.ts';
import { StreamLimit } from '../../methods/stream-limit.ts';
import { goneSignal } from '../enforcement/gone-signal.ts';
import { toStatus } from '../status.ts';

type Call = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

/** Needs no verb: any valid credentials may list the methods. */
const METHOD: CalledMethod = { name: 'ServerReflectionInfo', verb: 'none' };

/**
 * Adds reflection v1 and v1alpha, which differ by their names only, for everything served, well-known types included.
 * Returns the method by its paths.
 */
export function addReflection(server: Server): readonly (readonly [path: string, method: CalledMethod])[] {
  let index: DescriptorIndex | undefined;
  const streams = new StreamLimit('ServerReflectionInfo', REFLECTION_STREAMS);
  const serverReflectionInfo = (call: Call) => {
    const fail = (error: unknown) => call.emit('error', toStatus(toOrderError(error, false), true));
    try {
      const { ended } = enteredBy(call).principal;
      const leave = streams.enter(call.getPeer());
      const end = () => fail(ended?.reason);
      ended?.addEventListener('abort', end);
      goneSignal(call).addEventListener('abort', () => {
        ended?.removeEventListener('abort', end);
        leave();
      });
      // Few servers are ever asked for it, and a start need not wait for it.
      const descriptors = (index ??= new DescriptorIndex(readDescriptorSet()));
      answerAll(call, (request) => answer(descriptors, request), fail);
    } catch (error) {
      fail(error);
    }
  };
  return ['v1', 'v1alpha'].map((version) => {
    const service = definition(version);
    addService(server, service, { serverReflectionInfo: serverReflectionInfo as UntypedHandleCall });
    return [service['serverReflectionInfo']!.path, METHOD];
  });
}

function definition(version: string): ServiceDefinition {
  const { serverReflectionInfo } = ServerReflectionService;
  const path = serverReflectionInfo.path.replace('.v1.', `.${version}.`);
  return { serverReflectionInfo: { ...serverReflectionInfo, path } };
}

/** One after the other: the next request is read when the previous answer is on its way. */
function answerAll(
  call: Call,
  answerTo: (request: ServerReflectionRequest) => Answer,
  fail: (error: unknown) => void,
): void {
  const gone = goneSignal(call);
  call.on('data', (request: ServerReflectionRequest | RefusedMessage) => {
    if (request instanceof RefusedMessage) return fail(request.refusal);
    call.pause();
    const { host } = request;
    const message = { validHost: host, originalRequest: request, messageResponse: answerTo(request) };
    send((taken) => call.write(message, taken), gone)
      .then(() => call.resume())
      .catch(fail);
  });
  call.on('end', () => call.end());
}

function answer(index: DescriptorIndex, { messageRequest }: ServerReflectionRequest): Answer {
  switch (messageRequest?.$case) {
    case 'listServices':
      return { $case: 'listServicesResponse', value: { service: index.services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return filesOf(index, messageRequest.value);
    case 'fileContainingSymbol':
      return filesOf(index, index.fileOf(messageRequest.value));
    case 'fileContainingExtension':
    case 'allExtensionNumbersOfType':
      return refusal(status.NOT_FOUND, 'no served message has extensions');
    default:
      return refusal(status.INVALID_ARGUMENT, 'message_request is missing or unknown');
  }
}

function filesOf(index: DescriptorIndex, name: string | undefined): Answer {
  const files = name === undefined ? undefined : index.withImports(name);
  if (!files) return refusal(status.NOT_FOUND, 'no served file or symbol has this name');
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: files } };
}

function refusal(errorCode: status, errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode, errorMessage } };
}
