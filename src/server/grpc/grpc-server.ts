import type { Server as NetServer, Socket } from 'node:net';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Address } from '../address.ts';
import { listenOn } from '../address.ts';
import type { CalledMethod, DoorContext } from '../calls.ts';
import { KEEP_ALIVE_MS, MAX_BATCH_BYTES, MAX_CONNECTIONS, MIN_CALLS_PER_CONNECTION } from '../limits.ts';
import { ORDER_NUMBER_SERVICE, readDescriptorSet } from '../../wire/descriptors.ts';
import type { MessageForm } from '../../wire/message-form.ts';
import { messageFormOf } from '../../wire/message-form.ts';
import { OrderNumberServiceService } from '../../wire/gen/orders/v1/orders.ts';
import type { ServedMethod } from '../methods/served-method.ts';
import { enteredBy, guardCalls } from './entrance.ts';
import { shareConnections } from '../security/connection-shares.ts';
import type { ListenerTls } from '../security/tls/listener-tls.ts';
import { limitConnections } from './enforcement/connection-limits.ts';
import { addService } from './enforcement/request-size.ts';
import { handlerOf } from './handlers.ts';
import { Health } from './standard/health.ts';
import { addReflection } from './standard/reflection.ts';

/** Bounds of what one client can take. */
const LIMITS = {
  // One for all methods; those that take less are in enforcement/request-size.ts.
  'grpc.max_receive_message_length': MAX_BATCH_BYTES,
  // Until enforcement/call-windows.ts gives a connection more.
  'grpc.max_concurrent_streams': MIN_CALLS_PER_CONNECTION,
  'grpc.keepalive_time_ms': KEEP_ALIVE_MS,
  'grpc.keepalive_timeout_ms': 20_000,
  // Costs some percent of the throughput and has no use here.
  'grpc.enable_channelz': 0,
};

/** A gRPC server that listens. */
export interface GrpcServer {
  readonly address: Address;
  /** Sets the answer of grpc.health.v1, overall and of the service. */
  setServing(serving: boolean, why?: string): void;
  /** Takes no new connection. Calls on those that are open go on. */
  stopAccepting(): void;
  /** Ends every connection: gently, and by force those that are left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * Serves the methods of the order numbers, by their names, health and reflection. Rejects if it cannot listen on the
 * address. Health says NOT_SERVING until told otherwise.
 *
 * The sockets are accepted here and handed to grpc-js, which cannot be relied on to close them: its
 * tryShutdown waits forever on an open stream, its forceShutdown forgets sessions.
 */
export async function startGrpcServer(
  address: Address,
  orders: Readonly<Record<string, ServedMethod>>,
  door: DoorContext,
  tls?: ListenerTls,
): Promise<GrpcServer> {
  const server = new Server(LIMITS);
  const guarded = new Map([...addOrders(server, orders), ...addReflection(server)]);
  const health = new Health();
  health.addTo(server);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  guardCalls(server, guarded, door);
  limitConnections(server);

  const sockets = new Set<Socket>();
  const { listener, dropHandshakes } = newListener(tls, (socket) => injector.injectConnection(socket));
  listener.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  shareConnections(listener, MAX_CONNECTIONS);
  const bound = await listenOn(listener, address);
  // The system could not accept a connection; without a listener the event would end the process. The others go on.
  listener.on('error', () => {});

  return {
    address: bound,
    setServing: (serving, why) => health.setServing(serving, why),
    stopAccepting() {
      listener.close();
    },
    async close(graceMs) {
      listener.close();
      dropHandshakes();
      injector.drain(graceMs);
      const gone = Promise.withResolvers<void>();
      const check = () => sockets.size === 0 && gone.resolve();
      for (const socket of sockets) socket.once('close', () => setImmediate(check));
      check();
      const force = setTimeout(() => sockets.forEach((socket) => socket.destroy()), graceMs);
      await gone.promise;
      clearTimeout(force);
      injector.destroy();
    },
  };
}

/** A listener that passes on each connection which may be served. */
function newListener(tls: ListenerTls | undefined, serve: (socket: Socket) => void) {
  if (!tls) {
    const listener: NetServer = createServer({ noDelay: true }, serve);
    return { listener, dropHandshakes: () => {} };
  }
  const listener = createTlsServer({ ...tls.options, noDelay: true });
  const followed = tls.follow(listener);
  listener.on('secureConnection', (socket) => {
    if (followed.admits(socket)) serve(socket);
  });
  return { listener: listener as NetServer, dropHandshakes: () => followed.dropHandshakes() };
}

/** Returns the methods by their paths. */
function addOrders(
  server: Server,
  orders: Readonly<Record<string, ServedMethod>>,
): readonly (readonly [path: string, method: CalledMethod])[] {
  const service: ServiceDefinition = OrderNumberServiceService;
  const methods = Object.entries(orders);
  const handlers = Object.fromEntries(methods.map(([name, served]) => [name, handlerOf(served)]));
  const large = new Set(methods.filter(([, { method }]) => method.isBatch).map(([name]) => name));
  addService(server, service, handlers, {
    large,
    forms: requestForms(),
    onRefused: (call, error) => enteredBy(call).refused(error),
  });
  return Object.entries(orders).map(([name, { method }]) => [service[name]!.path, method]);
}

/** How the requests of the methods are written, by the names of the methods in camelCase. */
function requestForms(): ReadonlyMap<string, MessageForm> {
  const methods = readDescriptorSet().getService(ORDER_NUMBER_SERVICE)?.methods ?? [];
  return new Map(methods.map(({ localName, input }) => [localName, messageFormOf(input)]));
}
