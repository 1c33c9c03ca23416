import { runChild } from './processes/child-process.ts';

const STORES = 10;

/** The load to generate with ghz. */
export interface Load {
  readonly address: string;
  /** Calls in flight at any time. */
  readonly inFlight: number;
  readonly calls: number;
  /** How many stores the calls name in turn. Default 10. */
  readonly stores?: number;
}

/** The result that ghz reports. */
export interface LoadResult {
  /** Calls that were answered OK, which is all of them. */
  readonly calls: number;
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Report {
  readonly rps: number;
  readonly statusCodeDistribution: Readonly<Record<string, number>>;
  readonly latencyDistribution: readonly { readonly percentage: number; readonly latency: number }[];
}

/** Rejects if ghz cannot be run, so that this is known before anything else starts. */
export async function requireGhz(): Promise<void> {
  try {
    await runChild('ghz', ['--version']);
  } catch {
    throw new Error('ghz is missing: run make tools, which needs Go (https://go.dev/doc/install)');
  }
}

/** Sends AllocateOrder over one connection and resolves when all calls are answered; rejects unless all are OK. */
export async function runGhz(load: Load): Promise<LoadResult> {
  const { stdout, stderr } = await runChild('ghz', ghzArguments(load));
  if (!stdout.startsWith('{')) throw new Error(`ghz failed: ${(stderr || stdout).trim()}`);
  const { rps, statusCodeDistribution, latencyDistribution } = JSON.parse(stdout) as Report;
  const ok = statusCodeDistribution['OK'] ?? 0;
  if (ok !== load.calls) {
    throw new Error(`only ${ok} of ${load.calls} calls were answered OK: ${JSON.stringify(statusCodeDistribution)}`);
  }
  const latencyMs = (percentage: number) =>
    (latencyDistribution.find((entry) => entry.percentage === percentage)?.latency ?? Number.NaN) / 1e6;
  return { calls: ok, rps, p50Ms: latencyMs(50), p99Ms: latencyMs(99) };
}

/**
 * The calls name the stores in turn and send no request_id, so that the server creates one. Templates are off: with
 * them, ghz renders new data for each call and uses more CPU than the server does.
 */
export function ghzArguments({ address, inFlight, calls, stores = STORES }: Load): string[] {
  const requests = Array.from({ length: stores }, (_, i) => ({ store_id: i + 1 }));
  return [
    '--insecure',
    '--protoset=src/wire/gen/descriptor.binpb',
    '--call=orders.v1.OrderNumberService/AllocateOrder',
    `--data=${JSON.stringify(requests)}`,
    '--disable-template-functions',
    '--disable-template-data',
    '--connections=1',
    `--concurrency=${inFlight}`,
    `--total=${calls}`,
    '--format=json',
    address,
  ];
}
