import { createReadStream, globSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LoadResult } from '../../peer.ts';
import { familyMicros } from '../../processes/family-time.ts';
import { runTimed } from '../../processes/timed-child.ts';
import { quantile } from '../../statistics.ts';

export interface PgbenchOptions {
  readonly url: string;
  readonly connections: number;
  /** Rounded up to a multiple of the connections. */
  readonly orders: number;
  /** The pgbench script for one order. */
  readonly script: string;
  /** For the script and the log. */
  readonly folder: string;
  /** The first process of the server. */
  readonly serverPid: number;
}

/** Loads PostgreSQL with prepared statements, over one connection per order in flight, without think time. */
export async function runPgbench(options: PgbenchOptions): Promise<LoadResult> {
  const { url, connections, orders, script, folder, serverPid } = options;
  const perConnection = Math.ceil(orders / connections);
  const answered = perConnection * connections;
  const file = join(folder, 'order.pgbench');
  const log = join(folder, 'pgbench-log');
  writeFileSync(file, script);
  const load = ['-M', 'prepared', '-n', '-c', String(connections), '-t', String(perConnection), '-f', file];
  const serverBefore = familyMicros(serverPid);
  const generator = await runTimed('pgbench', [...load, '-l', `--log-prefix=${log}`, url]);
  const serverAfter = familyMicros(serverPid);
  const { code, stdout, stderr, micros } = generator;
  const perSecond = Number(/^tps = ([\d.]+) \(without initial connection time\)$/m.exec(stdout)?.[1]);
  if (code !== 0 || !stdout.includes(`${answered}/${answered}`) || Number.isNaN(perSecond)) {
    throw new Error(`pgbench ended with ${code}: ${stderr}${stdout}`);
  }
  const latencies = await readLatencies(log);
  return {
    answered,
    perSecond,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    generatorMicros: micros / answered,
    ...(serverBefore !== undefined &&
      serverAfter !== undefined && { serverMicros: (serverAfter - serverBefore) / answered }),
  };
}

/** Reads all latencies, in milliseconds, ascending. Each thread has a file; a line is "client transaction micros …". */
async function readLatencies(log: string): Promise<number[]> {
  const latencies: number[] = [];
  for (const file of globSync(`${log}.*`)) {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      latencies.push(Number(line.split(' ')[2]) / 1000);
    }
    rmSync(file);
  }
  return latencies.toSorted((a, b) => a - b);
}
