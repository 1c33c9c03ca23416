import type { Server, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { Metadata, status as statusCode } from '@grpc/grpc-js';
import { toOrderError } from '../../../core/refusals.ts';
import type {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthListRequest,
  HealthListResponse,
} from '../../../wire/gen/grpc/health/v1/health.ts';
import { HealthCheckResponse_ServingStatus as Status, HealthService } from '../../../wire/gen/grpc/health/v1/health.ts';
import { HEALTH_WATCHES } from '../../limits.ts';
import { send } from '../../methods/sending.ts';
import { StreamLimit } from '../../methods/stream-limit.ts';
import { goneSignal } from '../enforcement/gone-signal.ts';
import { addService } from '../enforcement/request-size.ts';
import { toStatus } from '../status.ts';

/** The server as a whole, and its service. */
const NAMES = new Set(['', 'orders.v1.OrderNumberService']);

/** grpc.health.v1, with the same status for the server and for its service: NOT_SERVING until told otherwise. */
export class Health {
  #status: Status = Status.NOT_SERVING;
  #why: string | undefined;
  readonly #watches = new StreamLimit('Watch', HEALTH_WATCHES);
  readonly #wakers = new Set<() => void>();

  addTo(server: Server): void {
    addService(server, HealthService, {
      check: (
        { request }: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
        callback: sendUnaryData<HealthCheckResponse>,
      ) => {
        if (NAMES.has(request.service)) callback(null, { status: this.#status }, this.#trailer());
        else callback({ code: statusCode.NOT_FOUND, details: 'this server has no such service' });
      },
      list: (
        _: ServerUnaryCall<HealthListRequest, HealthListResponse>,
        callback: sendUnaryData<HealthListResponse>,
      ) => {
        callback(null, { statuses: Object.fromEntries([...NAMES].map((name) => [name, { status: this.#status }])) });
      },
      watch: (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) => {
        this.#watch(call).catch((error: unknown) => call.emit('error', toStatus(toOrderError(error, false), true)));
      },
    });
  }

  /** Check sends `why` a server is not serving in the trailer `not-serving-reason`. */
  setServing(serving: boolean, why?: string): void {
    this.#why = serving ? undefined : why;
    this.#status = serving ? Status.SERVING : Status.NOT_SERVING;
    for (const wake of this.#wakers) wake();
  }

  #trailer(): Metadata {
    const trailer = new Metadata();
    if (this.#why !== undefined) trailer.set('not-serving-reason', this.#why);
    return trailer;
  }

  /** A client that reads slowly gets the newest status, not each one. */
  async #watch(call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>): Promise<void> {
    const leave = this.#watches.enter(call.getPeer());
    const gone = goneSignal(call);
    const isKnown = NAMES.has(call.request.service);
    let told: Status | undefined;
    let news = Promise.withResolvers<void>();
    const wake = () => news.resolve();
    this.#wakers.add(wake);
    gone.addEventListener('abort', wake);
    try {
      while (!gone.aborted) {
        news = Promise.withResolvers();
        const status = isKnown ? this.#status : Status.SERVICE_UNKNOWN;
        if (status === told) await news.promise;
        else await send((taken) => call.write({ status: (told = status) }, taken), gone);
      }
    } finally {
      this.#wakers.delete(wake);
      leave();
    }
  }
}
