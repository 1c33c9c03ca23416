import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ended } from '../processes/child-process.ts';
import { runChild } from '../processes/child-process.ts';
import { runTimed } from '../processes/timed-child.ts';
import { quantile } from '../statistics.ts';
import type { RequestLog } from './request-log.ts';
import { latencies, readRequestLog, scheduledLatencies, steadyRate } from './request-log.ts';

/** Processes of h2load, at most. Each sends one message over and over, so each has a store of its own. */
const MAX_PROCESSES = 4;
/** Calls in flight per connection, at most; our server accepts 1000. */
const MAX_STREAMS = 100;

/** A load of unary calls. */
export interface UnaryLoad {
  readonly address: string;
  readonly method: string;
  /** The message of the calls of one generator, as bytes; all of its calls carry the same. */
  message(generator: number): Uint8Array;
  /** Calls of all generators together; 0 if the load ends in another way. */
  readonly calls: number;
  /** For the logs and the messages. */
  readonly folder: string;
}

/** What h2load measured. */
export interface UnaryResult {
  /** Answered calls. h2load does not see the gRPC status, so the rows of the ledger have to be counted afterwards. */
  readonly calls: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of all generators per call, in microseconds. */
  readonly generatorMicros: number;
}

/** Resolves to one line that says what is missing, or to undefined. */
export async function missingH2load(command = 'h2load'): Promise<string | undefined> {
  const found = await runChild(command, ['--version']).catch(() => undefined);
  return found?.code === 0
    ? undefined
    : 'h2load is missing: install nghttp2-client (apt-get install nghttp2-client, brew install nghttp2)';
}

/** Keeps this many calls in flight, over few connections, until all are answered. */
export async function runClosedLoop(load: UnaryLoad, inFlight: number): Promise<UnaryResult> {
  const { processes, connections, streams } = shape(inFlight);
  const args = [`--clients=${connections}`, `--max-concurrent-streams=${streams}`];
  const { logs, micros } = await runGenerators(load, processes, args);
  const took = latencies(logs);
  return { ...summary(took, micros), perSecond: steadyRate(logs) };
}

/**
 * The same for some seconds instead of a number of calls, which a server that refuses them may answer at once. Calls in
 * flight at the end are not waited for.
 */
export async function runForSeconds(load: UnaryLoad, inFlight: number, seconds: number): Promise<UnaryResult> {
  const { processes, connections, streams } = shape(inFlight);
  const args = [`--clients=${connections}`, `--max-concurrent-streams=${streams}`, `--duration=${seconds}`];
  const { logs, micros } = await runGenerators({ ...load, calls: 0 }, processes, args);
  return { ...summary(latencies(logs), micros), perSecond: steadyRate(logs) };
}

/**
 * Sends calls at a fixed rate, in bursts, whether or not earlier ones are answered; latencies count from the burst that a
 * call was due in.
 */
export async function runOpenLoop(load: UnaryLoad, perSecond: number): Promise<UnaryResult> {
  const { logs, micros, each } = await runAtRate(load, perSecond, 1);
  return { ...summary(scheduledLatencies(logs, each), micros), perSecond: steadyRate(logs) };
}

/**
 * Sends calls at a rate that is too high for the server, over this many connections per generator, each with up to 1000
 * calls in flight. Resolves when all calls are answered, or refused.
 */
export async function runFlood(load: UnaryLoad, perSecond: number, connections: number): Promise<UnaryResult> {
  const { logs, micros } = await runAtRate(load, perSecond, connections);
  return { ...summary(latencies(logs), micros), perSecond: steadyRate(logs) };
}

/** `each` is the rate of one generator. */
async function runAtRate(load: UnaryLoad, perSecond: number, connections: number) {
  const rate = Math.max(1, Math.round(perSecond / MAX_PROCESSES / connections));
  const args = [`--clients=${connections}`, '--max-concurrent-streams=1000', `--rps=${rate}`];
  return { ...(await runGenerators(load, MAX_PROCESSES, args)), each: rate * connections };
}

/** Posts JSON over HTTP/1.1, one request at a time on each connection, until all are answered. */
export async function runHttpLoop(load: Bodies & { readonly url: string }, inFlight: number): Promise<UnaryResult> {
  const processes = processesFor(inFlight);
  const args = ['--h1', `--clients=${inFlight / processes}`, '--header=content-type: application/json', load.url];
  const { logs, micros } = await runProcesses(load, processes, args);
  return { ...summary(latencies(logs), micros), perSecond: steadyRate(logs) };
}

/** Processes, connections per process and calls in flight per connection, whose product is `inFlight`. */
export function shape(inFlight: number): { processes: number; connections: number; streams: number } {
  const processes = processesFor(inFlight);
  const each = inFlight / processes;
  let connections = Math.ceil(each / MAX_STREAMS);
  while (each % connections !== 0) connections++;
  return { processes, connections, streams: each / connections };
}

/** The most processes that can share what is in flight evenly. */
function processesFor(inFlight: number): number {
  let processes = MAX_PROCESSES;
  while (inFlight % processes !== 0) processes--;
  return processes;
}

function runGenerators(load: UnaryLoad, processes: number, args: readonly string[]) {
  const { address, method, message, calls, folder } = load;
  const url = `http://${address}/orders.v1.OrderNumberService/${method}`;
  const headers = ['--header=content-type: application/grpc', '--header=te: trailers'];
  const body = (generator: number) => grpcFrame(message(generator));
  return runProcesses({ calls, folder, body }, processes, [...headers, ...args, url]);
}

interface Bodies {
  readonly calls: number;
  readonly folder: string;
  body(generator: number): Uint8Array | string;
}

/** `args` are the same for all processes. */
async function runProcesses({ calls, body, ...load }: Bodies, processes: number, args: readonly string[]) {
  const folder = mkdtempSync(join(load.folder, 'h2load-'));
  const each = Math.ceil(calls / processes);
  const run = async (generator: number) => {
    const [data, log] = [join(folder, `body-${generator}`), join(folder, `log-${generator}`)];
    writeFileSync(data, body(generator));
    const ended = await runTimed('h2load', [
      ...(each > 0 ? [`--requests=${each}`] : []),
      `--data=${data}`,
      `--log-file=${log}`,
      ...args,
    ]);
    return { log: requireAll(readLog(log, ended), each, ended), micros: ended.micros };
  };
  const results = await Promise.all(Array.from({ length: processes }, (_, i) => run(i)));
  rmSync(folder, { recursive: true });
  return { logs: results.map(({ log }) => log), micros: results.reduce((sum, { micros }) => sum + micros, 0) };
}

function summary(took: Float64Array, micros: number): Omit<UnaryResult, 'perSecond'> {
  return {
    calls: took.length,
    p50Ms: quantile(took, 0.5),
    p99Ms: quantile(took, 0.99),
    generatorMicros: micros / took.length,
  };
}

/** An uncompressed gRPC message with its length prefix. */
function grpcFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  return frame;
}

function readLog(path: string, ended: Ended): RequestLog {
  try {
    return readRequestLog(path);
  } catch {
    throw new Error(`h2load ended with ${ended.code}: ${(ended.stderr || ended.stdout).trim()}`);
  }
}

function requireAll(log: RequestLog, calls: number, ended: Ended): RequestLog {
  const isAll = calls === 0 ? log.starts.length > 0 : log.starts.length === calls;
  if (ended.code === 0 && isAll && log.failed === 0) return log;
  const answered = log.starts.length - log.failed;
  throw new Error(`h2load ended with ${ended.code}: ${answered} of ${calls} calls were answered with 200`);
}
