import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';
import { EXAMPLES } from '../../tools/openapi/examples.ts';
import { callConnect, streamConnect } from '../server/http/connect/connect-client.ts';
import { HttpFixture } from '../server/http/http-fixture.ts';

interface OpenApi {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<
    Record<string, { readonly post: { readonly requestBody: Body; readonly responses: { readonly 200: Body } } }>
  >;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

interface Body {
  readonly content: Readonly<Record<string, { readonly schema: object; readonly example: unknown }>>;
}

const DOCUMENT = JSON.parse(
  readFileSync(new URL('../../src/wire/gen/openapi.json', import.meta.url), 'utf8'),
) as OpenApi;
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
/** What a server does changes from second to second. */
const FIGURES = new Set(['WatchServer']);

it('is served, without credentials, and names no server but the one that serves it', async () => {
  const fixture = await HttpFixture.open();
  const { code, headers, body } = await fixture.ask('/openapi.json');
  expect([code, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
  expect(JSON.parse(body)).toEqual(DOCUMENT);
  expect(DOCUMENT.servers.map(({ url }) => url)).toEqual(['/']);
});

it('its examples are what a server answers, in their order, on a new ledger', async () => {
  const fixture = await HttpFixture.open();
  for (const [method, { request, response }] of Object.entries(EXAMPLES)) {
    const answer = await answerOf(fixture, method, request);
    const shown = FIGURES.has(method) ? Object.keys : withoutTimes;
    expect([method, shown(answer)]).toEqual([method, shown(response!)]);
  }
});

it('its schemas describe each example, and each answer of a server', async () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(DOCUMENT, 'openapi.json');
  const fixture = await HttpFixture.open();
  const errorsOf = (body: Body, value: unknown) => {
    const validate = ajv.compile({ $ref: refOf(contentOf(body).schema) });
    validate(value);
    return (validate.errors ?? []).map(({ keyword, instancePath, message }) => [keyword, instancePath, message]);
  };
  for (const [method, { request }] of Object.entries(EXAMPLES)) {
    const { requestBody, responses } = operationOf(method);
    expect([method, errorsOf(requestBody, contentOf(requestBody).example)]).toEqual([method, []]);
    expect([method, errorsOf(responses[200], contentOf(responses[200]).example)]).toEqual([method, []]);
    expect([method, errorsOf(responses[200], await answerOf(fixture, method, request))]).toEqual([method, []]);
    // A misspelled field is not described.
    expect(errorsOf(requestBody, { ...request, requestID: 'a' })).toContainEqual([
      'additionalProperties',
      '',
      expect.any(String),
    ]);
  }
});

it('has each method of the service', () => {
  const methods = Object.keys(DOCUMENT.paths).map((path) => path.split('/').at(-1));
  expect(Object.keys(EXAMPLES).toSorted()).toEqual(methods.toSorted());
});

/** The answer, or the first message of a stream with what the example shows. */
async function answerOf(fixture: HttpFixture, method: string, request: object): Promise<object> {
  if ('application/json' in operationOf(method).requestBody.content)
    return (await callConnect(fixture, method, request)).json;
  const { messages } = await streamConnect(fixture, method, request);
  const key = Object.keys(EXAMPLES[method]!.response ?? {})[0] ?? '';
  for await (const message of messages) {
    const isEmptyStep = method === 'WatchAllocations' && (message['allocations'] as unknown[]).length === 0;
    if (key in message && !isEmptyStep) {
      return message;
    }
  }
  throw new Error(`no message of ${method} has ${key}`);
}

function operationOf(method: string) {
  return DOCUMENT.paths[`/orders.v1.OrderNumberService/${method}`]!.post;
}

function contentOf({ content }: Body) {
  return Object.values(content)[0]!;
}

function refOf(schema: object): string {
  return `openapi.json${(schema as { readonly $ref: string }).$ref}`;
}

function withoutTimes(value: object): unknown {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' && TIME.test(inner) ? '(time)' : inner,
  );
  return JSON.parse(text);
}
