import { randomInt } from 'node:crypto';

/** Below the ports that systems give to outgoing connections and to those who ask for any free one. */
const LOWEST = 10_000;
const BEYOND = 32_000;

/**
 * A port that can be listened on again after a pause, because nobody is given it by chance meanwhile. It may be
 * in use already: then ask for another.
 */
export function reusablePort(): number {
  return randomInt(LOWEST, BEYOND);
}
