import type { DescService, Message } from '@bufbuild/protobuf';
import type { ConnectRouter, HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { createContextValues } from '@connectrpc/connect';
import { fastifyConnectPlugin } from '@connectrpc/connect-fastify';
import type { FastifyInstance } from 'fastify';
import type { DoorContext } from '../../calls.ts';
import { MAX_BATCH_BYTES, MAX_UNSENT_BYTES, MAX_UNSENT_BYTES_IN_ALL } from '../../limits.ts';
import type { ServedMethod } from '../../methods/served-method.ts';
import { refuse } from '../answer.ts';
import { callGate } from './call-gate.ts';
import { boundDeadline } from './call-times.ts';
import { toConnectError } from './connect-error.ts';
import { pathOf, readDescriptors } from './descriptors.ts';
import { Exchange, EXCHANGE } from './exchange.ts';
import { MessageBridge } from './message-bridge.ts';
import { otherContentType, simplifyContentType } from './request-form.ts';
import { ConnectStream } from './stream-call.ts';
import type { AnswerForm } from './unary-call.ts';
import { ConnectUnaryCall } from './unary-call.ts';
import { UnsentAnswers } from './unsent-answers.ts';

/** What the methods need over Connect and gRPC-Web. */
export interface ConnectOptions {
  /** The methods of the service, by their names in camelCase. */
  readonly methods: Readonly<Record<string, ServedMethod>>;
  readonly door: DoorContext;
  /** How long a call with one answer may take if its caller has set no deadline. */
  readonly requestTimeoutMs: number;
  /** Whether the answer to a request is the last of its connection. */
  isLast(exchange: Exchange): boolean;
}

const POST_ONLY = 'this path allows POST only';

/** Where a request keeps its exchange. */
const OWN = Symbol('exchange');

interface OwnRequest {
  [OWN]?: Exchange;
}

/** Serves the methods by the protocols of Connect and gRPC-Web, at /orders.v1.OrderNumberService/. */
export function connectRoutes({ methods, door, requestTimeoutMs, isLast }: ConnectOptions) {
  const descriptors = readDescriptors();
  const { service, registry } = descriptors;
  const unsent = new UnsentAnswers({ perConnection: MAX_UNSENT_BYTES, inAll: MAX_UNSENT_BYTES_IN_ALL });
  const streaming = new Set(service.methods.filter((one) => one.methodKind !== 'unary').map(pathOf));

  const implementations = service.methods.map((method) => {
    const bridge = new MessageBridge(method);
    const form: AnswerForm = { bridge, toConnectError: (refusal) => toConnectError(refusal, registry) };
    return [method.localName, implementationOf(methods[method.localName]!, form, isLast)] as const;
  });
  const routes = (router: ConnectRouter) =>
    void router.service(service, Object.fromEntries(implementations) as unknown as ServiceImpl<DescService>);

  return (app: FastifyInstance, _options: unknown, done: () => void): void => {
    app.addHook('onRequest', (request, reply, next) => {
      const isStream = streaming.has(request.routeOptions.url ?? '');
      simplifyContentType(request.raw.headers);
      const remedy = otherContentType(request.raw.headers, isStream);
      if (request.method !== 'POST') refuse(reply.header('allow', 'POST'), 'METHOD_NOT_ALLOWED', POST_ONLY);
      else if (remedy !== undefined) refuse(reply, 'UNSUPPORTED_MEDIA_TYPE', remedy);
      else next();
    });
    app.addHook('preHandler', (request, reply, next) => {
      const exchange = new Exchange(request, reply);
      unsent.watch(reply.raw);
      (request as OwnRequest)[OWN] = exchange;
      request.body = exchange;
      // The library only builds a URL from it.
      request.raw.headers.host = 'localhost';
      const isStream = streaming.has(request.routeOptions.url ?? '');
      boundDeadline(request.raw.headers, isStream ? undefined : requestTimeoutMs);
      if (isLast(exchange)) exchange.endConnection();
      next();
    });
    fastifyConnectPlugin(
      app,
      {
        routes,
        grpc: false,
        // Neither side compresses, so that no request is larger than it looks.
        acceptCompression: [],
        readMaxBytes: MAX_BATCH_BYTES,
        jsonOptions: { registry, ignoreUnknownFields: false, alwaysEmitImplicit: true },
        requestGate: callGate(methods, door, descriptors),
        contextValues: (request) => createContextValues().set(EXCHANGE, (request as OwnRequest)[OWN]),
      },
      done,
    );
  };
}

function implementationOf(served: ServedMethod, form: AnswerForm, isLast: ConnectOptions['isLast']) {
  if (served.isStream) {
    return (message: Message, context: HandlerContext): AsyncIterable<Message> => {
      const exchange = context.values.get(EXCHANGE)!;
      const cut = () => void exchange.reply.raw.destroy();
      const request = form.bridge.toRequest(message);
      const call = new ConnectStream(exchange.take(), request, context, form, cut);
      served.start(call);
      return call.messages();
    };
  }
  return async (message: Message, context: HandlerContext): Promise<Message> => {
    const exchange = context.values.get(EXCHANGE)!;
    const request = form.bridge.toRequest(message);
    const call = new ConnectUnaryCall(served.method, exchange.take(), request, context, form);
    const { answered } = call;
    served.start(call);
    try {
      return await answered;
    } finally {
      if (isLast(exchange)) exchange.endConnection();
    }
  };
}
