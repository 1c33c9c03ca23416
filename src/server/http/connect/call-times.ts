import type { IncomingHttpHeaders } from 'node:http';
import { isGrpcWeb } from './request-form.ts';

/** Timers take no more than 2^31-1 ms: a longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const GRPC_TIMEOUT = /^(\d{1,8})([HMSmun])$/;
/** The units of the header grpc-timeout, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/**
 * Bounds the deadline of a call, which is in its headers: no further away than a timer reaches, and `defaultMs` if its
 * caller has set none. A deadline that cannot be read is left to the library, which refuses it.
 */
export function boundDeadline(headers: IncomingHttpHeaders, defaultMs: number | undefined): void {
  const isWeb = isGrpcWeb(headers);
  const name = isWeb ? 'grpc-timeout' : 'connect-timeout-ms';
  const toHeader = (ms: number) => (isWeb ? `${Math.floor(ms / 1000)}S` : String(ms));
  const sent = headers[name];
  if (sent === undefined) {
    if (defaultMs !== undefined) headers[name] = isWeb ? `${defaultMs}m` : String(defaultMs);
  } else if (isTooFar(String(sent), isWeb)) headers[name] = toHeader(MAX_TIMEOUT_MS);
}

function isTooFar(sent: string, isWeb: boolean): boolean {
  if (!isWeb) return /^\d{1,10}$/.test(sent) && Number(sent) > MAX_TIMEOUT_MS;
  const [, amount, unit = ''] = GRPC_TIMEOUT.exec(sent) ?? [];
  return Number(amount) * (UNITS[unit] ?? 0) > MAX_TIMEOUT_MS;
}
