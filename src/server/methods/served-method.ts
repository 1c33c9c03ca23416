import type { ServedStream } from './server-stream.ts';
import type { ServedUnary } from './unary.ts';

/** A method as its carriers have it: gRPC, Connect and gRPC-Web. They authenticate the caller of each call. */
export type ServedMethod = ServedUnary | ServedStream;
