import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the range of ephemeral ports. */
const LOWEST = 10_000;
const BEYOND = 32_000;

/**
 * A port that can be listened on again after a pause, because no other program gets it by chance. It may be
 * in use already: then try another.
 */
export function reusablePort(): number {
  return randomInt(LOWEST, BEYOND);
}

/**
 * A loopback address with such a port that was free a moment ago. For a server that is killed and started again: among
 * the ephemeral ports, a client that keeps trying may get the port itself, and connect to itself.
 */
export async function reusableAddress(): Promise<string> {
  for (;;) {
    const port = reusablePort();
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return `127.0.0.1:${port}`;
  }
}
