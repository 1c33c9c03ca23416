import { runTimed } from '../processes/timed-child.ts';

/** The command in the original sample's README, without its connections and its duration. */
const COMMAND = '-m POST --header Content-Type:application/json --body {"store_id":4578} --pipelining 1 --json';

/** What autocannon reports. */
export interface HttpResult {
  readonly requests: number;
  readonly perSecond: number;
  /** In whole milliseconds, as autocannon counts them. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly generatorMicros: number;
}

/** Sends the sample's request until so many are answered; rejects unless all are answered with 2xx. */
export async function runAutocannon(address: string, connections: number, requests: number): Promise<HttpResult> {
  const { code, stdout, stderr, micros } = await runTimed(process.execPath, [
    'node_modules/autocannon/autocannon.js',
    ...COMMAND.split(' '),
    `--connections=${connections}`,
    `--amount=${requests}`,
    // It ends only at the end of a sample: with the default of a second, a short run would mostly wait for that.
    '--sampleInt=20',
    `http://${address}/api/generateOrderNumber`,
  ]);
  if (code !== 0) throw new Error(`autocannon ended with ${code}: ${stderr.trim()}`);
  const { latency, errors, timeouts, non2xx, duration, ...report } = JSON.parse(stdout) as {
    requests: { total: number };
    latency: { p50: number; p99: number };
    errors: number;
    timeouts: number;
    non2xx: number;
    duration: number;
  };
  const { total } = report.requests;
  const failed = errors + timeouts + non2xx;
  if (failed > 0 || total !== requests) throw new Error(`autocannon: ${failed} of ${total} requests failed`);
  const { p50: p50Ms, p99: p99Ms } = latency;
  return { requests: total, perSecond: total / duration, p50Ms, p99Ms, generatorMicros: micros / total };
}
