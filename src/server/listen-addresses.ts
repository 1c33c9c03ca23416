import type { Server } from 'node:net';
import { connect, createServer } from 'node:net';
import { messageOf } from '../core/errors.ts';
import type { Address } from './address.ts';
import { formatAddress, listenOn } from './address.ts';
import type { ServeSettings } from './settings.ts';

/** The time limit of a connection attempt: a program on this machine answers sooner. */
const PROBE_MS = 1000;

/** Rejects, with the message of a failed start, if another program answers at one of the addresses. */
export async function requireAddresses(settings: ServeSettings): Promise<void> {
  const seen = new Set<string>();
  for (const { flag, address } of listenersOf(settings)) {
    if (address.port === 0) continue;
    const place = formatAddress(address);
    if (seen.has(place)) throw new Error(explainShared(flag, place));
    if (await isTaken(address)) throw new Error(explainTaken(flag, place));
    seen.add(place);
  }
}

/**
 * Whether a program answers there. It connects instead of listening: a server that listens and closes again during a
 * start makes V8 deoptimise process.nextTick, which costs every later call 4 µs.
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
  const code = codeOf(error);
  if (code === 'EADDRINUSE') return explainTaken(flag, address);
  if (code === 'EACCES') return `this user may not listen on ${address}; choose a port above 1023 with ${flag}`;
  return `cannot listen on ${address} (${messageOf(error)}); check ${flag}`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function explainShared(flag: string, address: string): string {
  return `two listeners share ${address}; choose another address with ${flag}`;
}

function explainTaken(flag: string, address: string): string {
  return `${address} is in use by another program; stop it, or choose another address with ${flag}`;
}

/** One listener of a server. */
export interface Listener {
  readonly flag: string;
  readonly address: Address;
}

/**
 * Why a server could not listen, by the flag of each such listener: one sentence with the remedy. It listens on all of
 * them for an instant, and answers nothing. Do not call it in a process that serves afterwards: see {@link isTaken}.
 */
export async function whyNotFree(listeners: readonly Listener[]): Promise<ReadonlyMap<string, string>> {
  const problems = new Map<string, string>();
  const held: Server[] = [];
  const ports = new Set<number>();
  for (const { flag, address } of listeners) {
    const server = createServer((socket) => socket.destroy());
    try {
      await listenOn(server, address);
      held.push(server);
      ports.add(address.port);
    } catch (error) {
      const place = formatAddress(address);
      const isOurs = ports.has(address.port) && codeOf(error) === 'EADDRINUSE';
      problems.set(flag, isOurs ? explainShared(flag, place) : explain(flag, place, error));
    }
  }
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return problems;
}

/** The listeners that are not switched off. */
export function listenersOf({ grpcListen, httpListen, metricsListen }: ServeSettings): Listener[] {
  const all = { grpc: grpcListen, http: httpListen, metrics: metricsListen };
  return Object.entries(all).flatMap(([name, address]) =>
    address === 'off' ? [] : [{ flag: `--${name}-listen`, address }],
  );
}
