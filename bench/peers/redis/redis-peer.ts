import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STORES } from '../../ours/client-peers.ts';
import type { Density, Level, LoadResult } from '../../peer.ts';
import { runChild } from '../../processes/child-process.ts';
import { startCounting } from '../../processes/processor-time.ts';
import { runTimed } from '../../processes/timed-child.ts';
import { missingCommands } from '../missing-commands.ts';
import type { NumberingPeer, OrderClient, RunningNumberingPeer } from '../order-client.ts';
import type { StoredCounter, StoredOrder } from '../stored-numbers.ts';
import { countDensity } from '../stored-numbers.ts';
import { RedisClient } from './redis-client.ts';
import { RedisServer } from './redis-server.ts';

/** Both scripts are beside this file. */
const ALLOCATE = readScript('allocate.lua');
const STORED = readScript('stored.lua');
/** redis-benchmark replaces RANDOM in a command by a random number below this one, padded to 12 digits. */
const RANDOM_BELOW = '1000000000';
const RANDOM = '__rand_int__';

/** Redis without and with pipelining; each answer waits for its fsync. */
export const redis: NumberingPeer = {
  name: 'redis',
  work: 'one Lua script per order with both counters and the key of the request, appendfsync always',
  levels: [{ inFlight: 1 }, { inFlight: 64 }, { inFlight: 400 }, { inFlight: 2000 }, { inFlight: 2000, pipelined: 16 }],
  missing: () => missingCommands(['redis-server', 'redis-benchmark', 'redis-cli'], 'redis-server and redis-tools'),
  async start(folder) {
    const server = await RedisServer.start(folder);
    const [script] = await redisCli(server, 'SCRIPT', 'LOAD', ALLOCATE);
    return new RunningRedis(server, script!);
  },
};

class RunningRedis implements RunningNumberingPeer {
  readonly #server: RedisServer;
  /** The SHA-1 of the loaded script. */
  readonly #script: string;

  constructor(server: RedisServer, script: string) {
    this.#server = server;
    this.#script = script;
  }

  async load({ inFlight, pipelined = 1 }: Level, orders: number): Promise<LoadResult> {
    const connections = ['-h', '127.0.0.1', '-p', String(this.#server.port), '-c', String(inFlight / pipelined)];
    const amount = ['-P', String(pipelined), '-n', String(orders), '-r', RANDOM_BELOW, '--csv'];
    // Two runs may start with the same seed, so each has a prefix of its own.
    const key = `request:${randomUUID().slice(0, 8)}-${RANDOM}${RANDOM}`;
    const command = ['EVALSHA', this.#script, '1', key, RANDOM, String(STORES)];
    const storedBefore = await this.#counted();
    const spent = startCounting(this.#server.pid);
    const generator = await runTimed('redis-benchmark', [...connections, ...amount, ...command]);
    const { code, stdout, stderr, micros } = generator;
    // redis-benchmark does not count errors.
    const answered = (await this.#counted()) - storedBefore;
    if (code !== 0 || answered < orders || /error/i.test(stdout + stderr)) {
      throw new Error(`redis-benchmark ended with ${code} after ${answered} of ${orders} orders: ${stderr}${stdout}`);
    }
    return { answered, ...readCsv(stdout), generatorMicros: micros / answered, ...spent(answered) };
  }

  async check(): Promise<Density> {
    const lines = await redisCli(this.#server, 'EVAL', STORED, '0');
    return readStored(lines);
  }

  connect(): Promise<OrderClient> {
    return RedisClient.connect(this.#server.port, this.#script);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  kill(): Promise<void> {
    return this.#server.kill();
  }

  async #counted(): Promise<number> {
    const [last] = await redisCli(this.#server, 'GET', 'order_id');
    return Number(last);
  }
}

/** Reads the output of redis-benchmark --csv: a line of names and a line of values, all in quotes. */
function readCsv(csv: string): Pick<LoadResult, 'perSecond' | 'p50Ms' | 'p99Ms'> {
  const [names = [], values = []] = csv
    .trim()
    .split('\n')
    .map((line) => line.slice(1, -1).split('","'));
  const value = (name: string) => Number(values[names.indexOf(name)]);
  return { perSecond: value('rps'), p50Ms: value('p50_latency_ms'), p99Ms: value('p99_latency_ms') };
}

/** Counts the lines that stored.lua returns. Throws as {@link countDensity} does. */
export function readStored(lines: readonly string[]): Density {
  let last = 0;
  const stores = new Map<number, StoredCounter>();
  const orders: StoredOrder[] = [];
  for (const line of lines) {
    const [kind, ...numbers] = line.split(' ');
    const [first = NaN, second = NaN, third = NaN] = numbers.map(Number);
    if (kind === 'counter') last = first;
    if (kind === 'store') stores.set(first, { first: 1, last: second });
    if (kind === 'order') orders.push({ orderId: first, storeId: second, orderNumber: third });
  }
  return countDensity(orders, { orders: { first: 1, last }, stores });
}

/** Runs one command, and resolves to its answer, line by line. */
async function redisCli(server: RedisServer, ...command: readonly string[]): Promise<string[]> {
  const flags = ['-h', '127.0.0.1', '-p', String(server.port), '--raw', '-e'];
  const { code, stdout, stderr } = await runChild('redis-cli', [...flags, ...command]);
  if (code !== 0) throw new Error(`redis-cli ${command[0]} ended with ${code}: ${stderr}${stdout}`);
  return stdout.trimEnd().split('\n');
}

function readScript(name: string): string {
  return readFileSync(join(import.meta.dirname, name), 'utf8');
}
