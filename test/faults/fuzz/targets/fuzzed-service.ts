import type { ServiceDefinition } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { Allocator } from '../../../../src/core/allocator.ts';
import type { OrderError } from '../../../../src/core/errors.ts';
import { toOrderError } from '../../../../src/core/refusals.ts';
import type { EnteredCall } from '../../../../src/server/methods/entered-call.ts';
import { statusOf } from '../../../../src/server/grpc/status.ts';
import { orderNumberService } from '../../../../src/server/methods/order-number-service.ts';
import { refusalFor } from '../../../../src/server/methods/rpc-status.ts';
import type { ServedMethod } from '../../../../src/server/methods/served-method.ts';
import type { ServiceContext } from '../../../../src/server/methods/service-context.ts';
import type { ServedStream, StreamCall } from '../../../../src/server/methods/server-stream.ts';
import type { Refusal, ServedUnary } from '../../../../src/server/methods/unary.ts';
import { UnaryCall } from '../../../../src/server/methods/unary.ts';
import { OPEN } from '../../../../src/server/security/principal.ts';
import type { AllocateOrdersResponse, BatchAllocateOrdersResponse } from '../../../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceService } from '../../../../src/wire/gen/orders/v1/orders.ts';
import { MemoryDisk, MemoryLedger } from '../../../support/engines/memory-ledger.ts';
import { serviceContext } from '../../../support/processes/service-context.ts';

/** The memory ledger looks a key up row by row. */
const MAX_ROWS = 300;
/** A stream is left after this many messages. */
const MAX_MESSAGES = 3;
/** Reasons that no request can be blamed for. */
const FAULTS: ReadonlySet<string> = new Set([
  'INTERNAL',
  'OUTCOME_UNKNOWN',
  'LEDGER_DAMAGED',
  'LEDGER_REOPENING',
  'DRAINING',
]);

export const CODECS: ServiceDefinition = OrderNumberServiceService;

/** Makes the methods of the service. */
export type Serve = (context: ServiceContext) => Record<string, ServedMethod>;

/** How a call ended: with its last response, or refused. */
type Ended = { readonly response: unknown } | { readonly refusal: Refusal };

/** All methods of the service as they are served, on a ledger in memory, without a carrier. */
export class FuzzedService {
  readonly #serve: Serve;
  #disk = new MemoryDisk();
  #methods: Record<string, ServedMethod>;
  /** Rows that the answers since the last `settle` say are new. */
  #numbered = 0;
  #rowsBefore = 0;
  /** VerifyLedger runs twice at the same time, at most. */
  #streams: Promise<unknown> = Promise.resolve();

  constructor(serve: Serve = orderNumberService) {
    this.#serve = serve;
    this.#methods = this.#renewed();
  }

  method(name: string): ServedMethod {
    return this.#methods[name]!;
  }

  /** Calls a method. Throws if its end is not one that a request can have. Returns OK or the reason. */
  async call(name: string, request: unknown): Promise<string> {
    const served = this.#methods[name]!;
    const ended = served.isStream
      ? await this.#inTurn(() => streamed(served, request))
      : await answered(served, request);
    if ('refusal' in ended) return checkRefusal(ended.refusal);
    this.#numbered += newRowsIn(ended.response ?? {});
    const { responseSerialize, responseDeserialize } = CODECS[name]!;
    if (ended.response !== undefined) responseDeserialize(responseSerialize(ended.response));
    return 'OK';
  }

  /** Throws unless the ledger has one row for each answer that said so. */
  settle(): void {
    const rows = this.#disk.rows.length - this.#rowsBefore;
    const numbered = this.#numbered;
    if (this.#disk.rows.length > MAX_ROWS) this.#methods = this.#renewed();
    this.#rowsBefore = this.#disk.rows.length;
    this.#numbered = 0;
    if (rows !== numbered) throw new Error(`${numbered} answers had a new pair, and the ledger has ${rows} rows more`);
  }

  #renewed(): Record<string, ServedMethod> {
    this.#disk = new MemoryDisk();
    const ledger = new MemoryLedger(this.#disk);
    const limits = { maxBatch: 1000, maxQueue: 100_000, maxQueueShare: 1, requireRequestId: false };
    return this.#serve(serviceContext(new Allocator({ ledger, ...limits }), ledger));
  }

  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const turn = this.#streams.then(run);
    this.#streams = turn.catch(() => {});
    return turn;
  }
}

/** Throws unless the request is to blame, and the refusal can be sent. Returns its reason. */
export function checkRefusal({ error, mayRetry, pathOf, where }: Refusal): string {
  if (FAULTS.has(error.reason))
    throw new Error(`refused with ${error.reason}: ${error.message}`, { cause: error.cause });
  const refusal = { error, mayRetry, pathOf, ...(where !== undefined && { where }) };
  const { code, details } = statusOf(refusal);
  if (code === status.INTERNAL || code === status.UNKNOWN) throw new Error(`${error.reason} is ${status[code]}`);
  // As the library sends it: throws for half of a surrogate pair.
  encodeURI(details);
  // JSON escapes these and no others; the log escapes all.
  if (Array.from(details).some((character) => character < ' ')) throw new Error('the message has a control character');
  return error.reason;
}

function newRowsIn(response: unknown): number {
  const { results } = response as Partial<BatchAllocateOrdersResponse>;
  if (results) {
    return results.reduce((sum, { result }) => sum + (result?.$case === 'response' ? newRowsIn(result.value) : 0), 0);
  }
  const { allocation, replayed } = response as Partial<AllocateOrdersResponse>;
  return allocation !== undefined && replayed === false ? 1 : 0;
}

function answered({ method, start }: ServedUnary, request: unknown): Promise<Ended> {
  return new Promise((resolve, reject) => start(new FuzzedCall(method, request, resolve, reject)));
}

class FuzzedCall extends UnaryCall<unknown, unknown> {
  override readonly request: unknown;
  override readonly aborted = false;
  readonly #resolve: (ended: Ended) => void;

  constructor(
    method: ServedUnary['method'],
    request: unknown,
    resolve: (ended: Ended) => void,
    reject: (error: unknown) => void,
  ) {
    super(method, enteredCall(method.writes ?? false, reject));
    this.request = request;
    this.#resolve = resolve;
  }

  protected override send(response: unknown): void {
    this.#resolve({ response });
  }

  protected override sendRefusal(refusal: Refusal): void {
    this.#resolve({ refusal });
  }
}

function streamed({ start }: ServedStream, request: unknown): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const gone = new AbortController();
    let last: unknown;
    let messages = 0;
    const call: StreamCall<unknown, unknown> = {
      entered: enteredCall(false, reject),
      request,
      gone: gone.signal,
      write(message, taken) {
        last = message;
        if (++messages === MAX_MESSAGES) gone.abort();
        taken();
      },
      end: () => resolve({ response: last }),
      refuse: (error) => resolve({ refusal: refusalFor(error, true) }),
    };
    start(call);
    // What follows live has no end of its own.
    setImmediate(() => setImmediate(() => gone.abort()));
  });
}

/** Reads the fields of each log line, as the log does at its lowest level. */
function enteredCall(writes: boolean, failed: (error: unknown) => void): EnteredCall {
  return {
    principal: OPEN.authenticate({ authorization: undefined, certificate: () => undefined }),
    origin: 'fuzzer',
    refusalOf: (thrown: unknown): OrderError => toOrderError(thrown, writes),
    numberedIn() {},
    answered: (fieldsOf) => void JSON.stringify(fieldsOf()),
    answeredEach() {},
    refused: (error, fields) => void JSON.stringify([error.fields, fields]),
    streamed: (_, fields) => void JSON.stringify(fields),
    failed,
  };
}
