import { setLogger } from '@grpc/grpc-js';
import type { Logger } from '../log/log.ts';

/** The library's message about a header that it cannot read; the rest of it has the value, which may be a secret. */
const UNREADABLE_HEADER = /^(Failed to add metadata entry [^:]*):.*/s;

/**
 * Sends the messages of the gRPC library to the log. It would write to standard error, and block on that. The library
 * has one log per process.
 */
export function logLibrary(logger: Logger): void {
  setLogger({
    // A header that cannot be read is the caller's mistake; any stranger may send thousands of them.
    error: (message: unknown) =>
      UNREADABLE_HEADER.test(String(message)) ? logger.info(textOf(message)) : logger.error(textOf(message)),
    info: (message: unknown) => logger.info(textOf(message)),
    debug: (message: unknown) => logger.debug(textOf(message)),
  });
}

function textOf(message: unknown): string {
  return `the gRPC library: ${String(message).replace(UNREADABLE_HEADER, '$1')}`;
}
