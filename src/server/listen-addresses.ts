import { connect } from 'node:net';
import { messageOf } from '../core/errors.ts';
import type { Address } from './address.ts';
import { formatAddress } from './address.ts';
import type { ServeSettings } from './settings.ts';

/** A program on this machine answers sooner. */
const PROBE_MS = 1000;

/** Rejects as a start does if another program answers at one of the addresses. */
export async function requireAddresses({ grpcListen, httpListen, metricsListen }: ServeSettings): Promise<void> {
  const seen = new Set<string>();
  for (const [name, address] of Object.entries({ grpc: grpcListen, http: httpListen, metrics: metricsListen })) {
    if (address === 'off' || address.port === 0) continue;
    const place = formatAddress(address);
    const flag = `--${name}-listen`;
    if (seen.has(place)) throw new Error(`two listeners share ${place}; choose another address with ${flag}`);
    if (await isTaken(address)) throw new Error(explainTaken(flag, place));
    seen.add(place);
  }
}

/**
 * Whether a program answers there. A connection, and no server of our own that would listen and close again: such a
 * server at the start makes V8 give up on process.nextTick, which costs every later call 4 µs.
 */
function isTaken(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: PROBE_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

/** Rejects with one sentence that names the address and the flag if `start` cannot listen there. */
export async function listen(name: string, address: Address, start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (error) {
    throw new Error(explain(`--${name}-listen`, formatAddress(address), error), { cause: error });
  }
}

function explain(flag: string, address: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return explainTaken(flag, address);
  if (code === 'EACCES') return `this user may not listen on ${address}; choose a port above 1023 with ${flag}`;
  return `cannot listen on ${address} (${messageOf(error)}); check ${flag}`;
}

function explainTaken(flag: string, address: string): string {
  return `${address} is in use by another program; stop it, or choose another address with ${flag}`;
}
