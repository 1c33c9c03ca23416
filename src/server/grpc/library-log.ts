import { setLogger } from '@grpc/grpc-js';
import type { Logger } from '../log/log.ts';

/**
 * Sends the messages of the gRPC library to the log. It would write to standard error, and block on that. The library
 * has one log per process.
 */
export function logLibrary(logger: Logger): void {
  setLogger({
    error: (message: unknown) => logger.error(`the gRPC library: ${String(message)}`),
    info: (message: unknown) => logger.info(`the gRPC library: ${String(message)}`),
    debug: (message: unknown) => logger.debug(`the gRPC library: ${String(message)}`),
  });
}
