import { setLogger } from '@grpc/grpc-js';

/** Said for each attempt through a proxy; the error of the call says it once. */
const OF_A_PROXY = /^Failed to connect to .*proxy .* with (error|status) /;

/**
 * Writes what the gRPC library logs to standard error as the library itself does, but for what the client's errors
 * say better. For programs only: the library has one log per process.
 */
export function quietLibraryLog(): void {
  setLogger({ error: writer('E'), info: writer('I'), debug: writer('D') });
}

function writer(level: string): (message: unknown) => void {
  return (message) => {
    if (!OF_A_PROXY.test(String(message))) process.stderr.write(`${level} ${String(message)}\n`);
  };
}
