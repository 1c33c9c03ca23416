import { setLogger } from '@grpc/grpc-js';

/** Logged for each attempt through a proxy; the error of the call says it once. */
const PROXY_FAILURE = /^Failed to connect to .*proxy .* with (error|status) /;

/**
 * Writes the log of the gRPC library to standard error, as the library does, except what the client's errors say
 * better. For whole programs only, because the library has one log per process.
 */
export function quietLibraryLog(): void {
  setLogger({ error: writer('E'), info: writer('I'), debug: writer('D') });
}

function writer(level: string): (message: unknown) => void {
  return (message) => {
    if (!PROXY_FAILURE.test(String(message))) process.stderr.write(`${level} ${String(message)}\n`);
  };
}
