import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

// All access to the internals of grpc-js, which does not expose its connections. If a new version moves something, the
// server does not start, or answers no call.

/** The HTTP/2 servers of a gRPC server. Throws if it has none yet: they exist once its injector does. */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const { http2Servers } = server as unknown as { readonly http2Servers?: Map<Http2Server, unknown> };
  if (!(http2Servers instanceof Map) || http2Servers.size === 0) {
    throw new Error(
      'this version of @grpc/grpc-js keeps its HTTP/2 servers elsewhere: its connections would be unlimited',
    );
  }
  return [...http2Servers.keys()];
}

type StreamListener = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** Takes the streams of an HTTP/2 server away from the library; returns what it does with one. */
export function takeStreams(server: Http2Server): StreamListener {
  const [listener, ...others] = server.listeners('stream');
  if (!listener || others.length > 0) {
    throw new Error('this version of @grpc/grpc-js takes its calls elsewhere: they would not be checked');
  }
  server.removeAllListeners('stream');
  return listener as unknown as StreamListener;
}

/** The HTTP/2 stream of a call that is being handled. */
export function streamOf(rpc: object): ServerHttp2Stream {
  const { call } = rpc as { readonly call?: { readonly stream?: ServerHttp2Stream } };
  const stream = call?.stream;
  if (!stream) throw new Error('this version of @grpc/grpc-js keeps the stream of a call elsewhere');
  return stream;
}
