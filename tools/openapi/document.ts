import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { commentOf } from './comments.ts';
import type { Examples } from './examples.ts';
import type { Schema } from './schemas.ts';
import { Schemas } from './schemas.ts';

/** The codes of Connect, and the statuses of HTTP that they come with. */
const CODES: Readonly<Record<string, number>> = {
  invalid_argument: 400,
  failed_precondition: 400,
  out_of_range: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  resource_exhausted: 429,
  canceled: 499,
  internal: 500,
  data_loss: 500,
  unknown: 500,
  unimplemented: 501,
  unavailable: 503,
  deadline_exceeded: 504,
};

const ERROR: Schema = {
  type: 'object',
  description:
    'Why a call failed. A detail of the type google.rpc.ErrorInfo and a code other than unavailable, ' +
    'deadline_exceeded and canceled say that the call allocated nothing. After anything else it may have succeeded: ' +
    'retry with the same requestId.',
  properties: {
    code: { type: 'string', enum: Object.keys(CODES) },
    message: { type: 'string', description: 'One sentence for people.' },
    details: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { type: 'string', description: 'google.rpc.ErrorInfo, google.rpc.RetryInfo or google.rpc.BadRequest.' },
          value: { type: 'string', description: 'The message, in base64 without padding.' },
          debug: { type: 'object', description: 'The same in JSON.' },
        },
        required: ['type', 'value'],
      },
    },
  },
  required: ['code'],
};

const REFUSAL: Schema = {
  type: 'object',
  description: 'Why a request was refused before it became a call.',
  properties: { message: { type: 'string' }, reason: { type: 'string', examples: ['HOST_FORBIDDEN'] } },
  required: ['message', 'reason'],
};

const TIMEOUT = {
  name: 'Connect-Timeout-Ms',
  in: 'header',
  description:
    'The deadline of the call, in milliseconds from now. Without it, a call with one answer has that of ' +
    '--http-request-timeout-ms, and a stream has none.',
  schema: { type: 'integer', minimum: 0, maximum: 9_999_999_999 },
};

/** How a stream is sent, which OpenAPI has no words for. */
const ENVELOPES =
  'The body of the request is one message in an envelope: a zero byte, the length of the message as four bytes (big ' +
  'endian), and the message in JSON. The body of the answer is a sequence of them; the last has 2 as its first byte, ' +
  'and is `{}`, or has the error in `error`.';

/** The OpenAPI document of a service, whose methods are served by the Connect protocol. */
export function openApiDocument(service: DescService, examples: Examples): Schema {
  const schemas = new Schemas(service.methods.map(({ input }) => input));
  const paths = service.methods.map((method) => [
    `/${service.typeName}/${method.name}`,
    { post: operationOf(method, schemas, examples) },
  ]);
  return {
    openapi: '3.1.1',
    info: {
      title: service.name,
      version: 'v1',
      summary: 'Gapless, exactly-once order numbers for many online stores, in JSON over HTTP.',
      description: commentOf(service),
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The server that serves this document.' }],
    security: [{}, { token: [] }],
    tags: [{ name: service.name, description: 'All methods, by the Connect protocol.' }],
    paths: Object.fromEntries(paths) as Schema,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'If the server has --tokens.' },
      },
      parameters: { 'Connect-Timeout-Ms': TIMEOUT },
      schemas: { ...schemas.all(), ConnectError: ERROR, HttpRefusal: REFUSAL },
    },
  };
}

function operationOf(method: DescMethod, schemas: Schemas, examples: Examples): Schema {
  const isStream = method.methodKind !== 'unary';
  const type = isStream ? 'application/connect+json' : 'application/json';
  const { request, response } = examples[method.name] ?? {};
  const comment = commentOf(method);
  const content = (message: Schema, example: unknown) => ({
    [type]: { schema: message, ...(example !== undefined && { example }) },
  });
  return {
    operationId: method.name,
    tags: [method.parent.name],
    summary: comment.split(/(?<=[.:]) /)[0]?.replace(/[.:]$/, ''),
    description: isStream ? `${comment}\n\n${ENVELOPES}` : comment,
    parameters: [{ $ref: '#/components/parameters/Connect-Timeout-Ms' }],
    requestBody: { required: true, content: content(schemas.of(method.input), request) },
    responses: {
      200: {
        description: isStream ? commentOf(method.output) : 'The answer.',
        content: content(schemas.of(method.output), response),
      },
      ...(isStream ? { '4XX': refusal() } : errorResponses()),
    },
  };
}

/** What never becomes a call; whatever refuses a stream is in its last envelope. */
function refusal(): Schema {
  const schema = { $ref: '#/components/schemas/HttpRefusal' };
  return {
    description: 'The request is not a valid call of this method.',
    content: { 'application/json': { schema } },
  };
}

/** One response for every status: the codes of an error are in its body. */
function errorResponses(): Schema {
  const codes = Object.entries(CODES).map(([code, status]) => `${status} ${code}`);
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/ConnectError' } } };
  const description = `The call failed: ${codes.join(', ')}.`;
  return { '4XX': { description, content }, '5XX': { description, content } };
}
