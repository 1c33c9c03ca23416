import { randomInt } from 'node:crypto';

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
