import type { HttpFixture, RawAnswer } from '../http-fixture.ts';

/** Where each method is. */
export const SERVICE_PATH = '/orders.v1.OrderNumberService';

/** For conditions: a busy machine may take long. */
export const PATIENT = { timeout: 20_000 };

/** The flag of the message that ends a stream. */
const END_STREAM = 2;

/** An answer of Connect in JSON. */
export interface ConnectAnswer {
  readonly status: number;
  readonly headers: RawAnswer['headers'];
  readonly json: ConnectJson;
}

/** As much of the answers as the tests look at. */
export interface ConnectJson {
  readonly [field: string]: unknown;
  readonly code?: string;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly debug: Readonly<Record<string, unknown>> }[];
}

/** Calls a unary method with a body that is sent as it is, or as JSON. */
export async function callConnect(
  fixture: HttpFixture,
  method: string,
  body: string | object,
  headers: Record<string, string> = {},
): Promise<ConnectAnswer> {
  const answer = await fixture.ask(`${SERVICE_PATH}/${method}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  return { status: answer.code, headers: answer.headers, json: JSON.parse(answer.body) as ConnectJson };
}

/** The reason in the ErrorInfo of an error. */
export function reasonOf({ details }: ConnectJson): unknown {
  return details?.find(({ type }) => type === 'google.rpc.ErrorInfo')?.debug['reason'];
}

/** A message as it is in a stream. */
export function envelope(message: object | string): Buffer {
  const data = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
}

/** Begins a stream. Its messages are read one by one; the last is what ended it, in `end`. */
export async function streamConnect(
  fixture: HttpFixture,
  method: string,
  request: object | string,
  headers: Record<string, string> = {},
  signal: AbortSignal | null = null,
) {
  const answer = await fetch(`${fixture.url}${SERVICE_PATH}/${method}`, {
    method: 'POST',
    body: envelope(request),
    headers: { 'content-type': 'application/connect+json', ...headers },
    signal,
  });
  return { status: answer.status, messages: messagesIn(answer.body!) };
}

async function* messagesIn(body: AsyncIterable<Uint8Array>): AsyncGenerator<ConnectJson> {
  let buffered = Buffer.alloc(0);
  for await (const chunk of body) {
    buffered = Buffer.concat([buffered, chunk]);
    while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
      const end = 5 + buffered.readUInt32BE(1);
      const json = JSON.parse(buffered.subarray(5, end).toString()) as ConnectJson;
      yield buffered[0] === END_STREAM ? { end: json } : json;
      buffered = buffered.subarray(end);
    }
  }
}
