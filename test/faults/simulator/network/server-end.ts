import type { StatusObject } from '@grpc/grpc-js';

/** How a server ends a call that it refuses. */
export type WireStatus = Pick<StatusObject, 'code' | 'details' | 'metadata'>;

/** A message: its bytes, or in a run that encodes nothing the message itself. */
export type Payload = object;

/** Takes what a server says to one call. */
export interface Replies {
  /** The one answer of a unary call, or one message of a stream. */
  message(message: Payload): void;
  /** Ends the call; undefined if without an error. */
  end(status: WireStatus | undefined): void;
}

/** A call on the server. */
export interface ArrivedCall {
  cancel(): void;
}

/** A server, as its connections have it. */
export interface ServerEnd {
  readonly name: string;
  readonly isListening: boolean;
  /** Called when a connection is made; `reset` cuts it. */
  connected(connection: { reset(): void }): void;
  disconnected(connection: { reset(): void }): void;
  /** Takes a call that has `timeoutMs` left. */
  receive(path: string, message: Payload, timeoutMs: number, client: number, replies: Replies): ArrivedCall;
  /** Takes a copy of a call that was sent once; nobody waits for its answer. */
  receiveCopy(path: string, message: Payload, timeoutMs: number, client: number): void;
}
