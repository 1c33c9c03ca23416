import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { register as globalRegistry } from '@prometheus-io/client';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Reason } from '../../../src/core/reasons.ts';
import { formatAddress } from '../../../src/server/address.ts';
import type { MetricSources } from '../../../src/server/metrics/metrics.ts';
import { Metrics, startMetricsServer } from '../../../src/server/metrics/metrics.ts';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { SERVER_CERTIFICATE } from '../../support/network/certificates.ts';
import { GrpcClient } from '../../support/clients/grpc-client.ts';
import { connect, failureOf } from '../../support/clients/orders-client.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const MAX_SERIES = 1000;
const NOT_BASE_UNITS =
  /^([num]?s|secs?|m|mins?|minutes?|h|hours?|d|days?|[kmgt]?b|percent|(nano|micro|milli|kilo|mega|giga|kibi|mebi|gibi).*)$/;

/** A scrape alone may take a second there, and so all the time that vi.waitFor has by itself. */
const BUSY_MACHINE = { timeout: 30_000, interval: 50 };

/** One line of a scrape. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What stands under one HELP and TYPE. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: Sample[];
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a running server', () => {
  it('counts a batch as one call, and its requests by result', async () => {
    const server = new LocalServer(await ENGINES[0]!.newLedger());
    const url = await metricsUrl(server);
    const client = new GrpcClient(await server.serving());
    await client.batch({ requestId: 'a' }, { requestId: 'a' }, { requestId: 'b' }, { storeId: 0n });
    await client.batch({ storeId: 0n });
    await failureOf(client.batch());
    const families = parse(await scrape(url));
    const method = { transport: 'grpc', method: 'BatchAllocateOrders' };
    expect(valueOf(families, 'order_numbers_calls_total', { ...method, result: 'OK' })).toBe(2);
    expect(valueOf(families, 'order_numbers_calls_total', { ...method, result: 'BATCH_SIZE_INVALID' })).toBe(1);
    const requests = (result: string) =>
      valueOf(families, 'order_numbers_batch_requests_total', { transport: 'grpc', result });
    expect([requests('OK'), requests('STORE_ID_INVALID')]).toEqual([3, 2]);
    expect(samplesOf(families, 'order_numbers_batch_requests_total')).toHaveLength(2);
    expect(valueOf(families, 'order_numbers_allocations_total')).toBe(2);
    expect(valueOf(families, 'order_numbers_replays_total')).toBe(1);
    expect(valueOf(families, 'order_numbers_batch_size_sum')).toBe(3);
  });

  it.each(ENGINES)('counts calls, new numbers, replays and refusals exactly on $name', async (engine) => {
    const started = performance.now();
    const server = new LocalServer(await engine.newLedger());
    const url = await metricsUrl(server);
    const client = connect(await server.serving());
    onTestFinished(() => client.close());
    for (const requestId of ['a', 'b', 'c', 'a', 'b']) await client.allocateOrder({ storeId: 7n, requestId });
    await failureOf(client.allocateOrder({ storeId: 0n, requestId: 'd' }));

    const families = parse(await scrape(url));
    const grpc = { transport: 'grpc', method: 'AllocateOrder' };
    expect(valueOf(families, 'order_numbers_allocations_total')).toBe(3);
    expect(valueOf(families, 'order_numbers_replays_total')).toBe(2);
    expect(valueOf(families, 'order_numbers_calls_total', { ...grpc, result: 'OK' })).toBe(5);
    expect(valueOf(families, 'order_numbers_calls_total', { ...grpc, result: 'STORE_ID_INVALID' })).toBe(1);
    expect(samplesOf(families, 'order_numbers_calls_total')).toHaveLength(2);
    expect(valueOf(families, 'order_numbers_call_duration_seconds_count', grpc)).toBe(6);
    // One caller that waits for each answer: batches of one.
    expect(valueOf(families, 'order_numbers_batch_size_bucket', { le: '1' })).toBe(5);
    expect(valueOf(families, 'order_numbers_batch_size_sum')).toBe(5);
    expect(valueOf(families, 'order_numbers_commit_duration_seconds_count')).toBe(5);
    expect(valueOf(families, 'order_numbers_queue_length')).toBe(0);
    expect(valueOf(families, 'order_numbers_queue_limit')).toBe(10_000);
    const seconds = (performance.now() - started) / 1000;
    const callSeconds = valueOf(families, 'order_numbers_call_duration_seconds_sum', grpc)!;
    const commitSeconds = valueOf(families, 'order_numbers_commit_duration_seconds_sum')!;
    expect(commitSeconds).toBeGreaterThan(0);
    expect(callSeconds).toBeGreaterThan(commitSeconds);
    expect(callSeconds).toBeLessThan(seconds);
  });

  it('describes its process and what runs in it', async () => {
    const server = new ServerProcess(join(testFolder(), 'orders.db'));
    const families = parse(await scrape(await metricsUrl(server)));
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    const labels = { version, node_version: process.versions.node };
    expect(valueOf(families, 'order_numbers_build_info', labels)).toBe(1);
    const age = Date.now() / 1000 - valueOf(families, 'process_start_time_seconds')!;
    expect(age).toBeGreaterThan(0);
    expect(age).toBeLessThan(60);
    expect(valueOf(families, 'process_cpu_seconds_total')).toBeGreaterThan(0.05);
    expect(valueOf(families, 'process_cpu_seconds_total')).toBeLessThan(60);
    const resident = valueOf(families, 'process_resident_memory_bytes')!;
    expect(resident).toBeGreaterThan(30e6);
    expect(resident).toBeLessThan(2e9);
    expect(valueOf(families, 'nodejs_heap_size_used_bytes')).toBeLessThan(resident);
    expect(valueOf(families, 'nodejs_heap_size_total_bytes')).toBeGreaterThan(1e6);
    expect(valueOf(families, 'process_open_fds')).toBeGreaterThan(10);
  });

  it.each(ENGINES)("scrapes on $name keep to Prometheus' conventions", async (engine) => {
    expect(problemsOf(await realScrape(engine))).toEqual([]);
  });

  it('stops at once while scrapers are connected', async () => {
    const server = new LocalServer(join(testFolder(), 'orders.db'));
    const url = await metricsUrl(server);
    // Keeps its connection open, as Prometheus does.
    await scrape(url);
    expect(await server.stop()).toBe(0);
  });
});

describe('Metrics', () => {
  it('puts durations in milliseconds into buckets of seconds', async () => {
    const metrics = new Metrics();
    for (const ms of [0.1, 0.2, 1, 3, 700, 20_000]) metrics.ended('http', { name: 'generateOrderNumber' }, 'OK', ms);
    metrics.committed({ allocated: 150, replayed: 50, createTimeMs: 0, ms: 4 });
    metrics.committed({ allocated: 1, replayed: 0, createTimeMs: 0, ms: 0.5 });
    metrics.transaction(3, 0.25);
    const families = parse(await metrics.registry.metrics());

    const call = { transport: 'http', method: 'generateOrderNumber' };
    const calls = samplesOf(families, 'order_numbers_call_duration_seconds_bucket');
    expect(Object.fromEntries(calls.map(({ labels, value }) => [labels['le'], value]))).toMatchObject({
      '0.0001': 1,
      '0.00025': 2,
      '0.0005': 2,
      '0.001': 3,
      '0.0025': 3,
      '0.005': 4,
      '0.5': 4,
      '1': 5,
      '10': 5,
      '+Inf': 6,
    });
    expect(valueOf(families, 'order_numbers_call_duration_seconds_sum', call)).toBeCloseTo(20.7043);
    expect(valueOf(families, 'order_numbers_allocations_total')).toBe(151);
    expect(valueOf(families, 'order_numbers_replays_total')).toBe(50);
    expect(valueOf(families, 'order_numbers_batch_size_bucket', { le: '100' })).toBe(1);
    expect(valueOf(families, 'order_numbers_batch_size_bucket', { le: '200' })).toBe(2);
    expect(valueOf(families, 'order_numbers_commit_duration_seconds_sum')).toBeCloseTo(0.0045);
    expect(valueOf(families, 'order_numbers_ledger_transaction_duration_seconds_sum')).toBe(0.003);
    expect(valueOf(families, 'order_numbers_ledger_sync_duration_seconds_sum')).toBe(0.00025);
  });

  it('never throws, whatever is reported, and keeps counting', async () => {
    const metrics = new Metrics();
    for (const odd of [Number.NaN, Infinity, -Infinity, -1, undefined as unknown as number]) {
      metrics.ended('grpc', { name: 'AllocateOrder' }, 'OK', odd);
      metrics.committed({ allocated: odd, replayed: odd, createTimeMs: 0, ms: odd });
      metrics.transaction(odd, odd);
    }
    metrics.ended('grpc', { name: '"\n\\' }, 'OK', 1);
    metrics.committed({ allocated: 2, replayed: 1, createTimeMs: 0, ms: 5 });
    const text = await metrics.registry.metrics();
    expect(problemsOf(text)).toEqual([]);
    const families = parse(text);
    expect(valueOf(families, 'order_numbers_allocations_total')).toBe(2);
    expect(valueOf(families, 'order_numbers_batch_size_sum')).toBe(3);
    expect(valueOf(families, 'order_numbers_calls_total', { transport: 'grpc', method: '"\n\\', result: 'OK' })).toBe(
      1,
    );
  });

  it('has a bounded number of series, whatever names are reported', async () => {
    const metrics = new Metrics();
    const reasons: Reason[] = ['QUEUE_FULL', 'DRAINING'];
    for (let i = 0; i < 5000; i++) metrics.ended('http', { name: `/path/${i}` }, reasons[i % 2]!, 1);
    metrics.ended('grpc', { name: 'AllocateOrder' }, 'OK', 1);
    const families = parse(await metrics.registry.metrics());
    const calls = samplesOf(families, 'order_numbers_calls_total');
    expect(calls.reduce((sum, { value }) => sum + value, 0)).toBe(5001);
    expect(calls.length).toBeLessThan(100);
    expect(families.flatMap(({ samples }) => samples).length).toBeLessThan(MAX_SERIES);
    expect(valueOf(families, 'order_numbers_calls_total', labelsOf('grpc', 'AllocateOrder', 'OK'))).toBe(1);
    expect(valueOf(families, 'order_numbers_calls_total', labelsOf('http', 'other', 'DRAINING'))).toBeGreaterThan(2000);
  });

  it('shares nothing with another, nor with the registry of the process', async () => {
    const [one, other] = [new Metrics(), new Metrics()];
    one.committed({ allocated: 1, replayed: 0, createTimeMs: 0, ms: 1 });
    expect(valueOf(parse(await other.registry.metrics()), 'order_numbers_allocations_total')).toBe(0);
    expect((await globalRegistry.metrics()).trim()).toBe('');
  });
});

describe('sources', () => {
  it('are asked at each scrape', async () => {
    let asked = 0n;
    const url = await serve({
      queueLength: () => 12,
      lastOrderId: () => ++asked,
      ledgerSizes: async () => ({ database: 4096 * Number(asked + 1n), wal: 100 * Number(asked + 1n) }),
    });
    for (const scrapes of [1, 2]) {
      const families = parse(await scrape(url));
      expect(valueOf(families, 'order_numbers_queue_length')).toBe(12);
      expect(valueOf(families, 'order_numbers_last_order_id')).toBe(scrapes);
      expect(valueOf(families, 'order_numbers_ledger_database_bytes')).toBe(4096 * scrapes);
      expect(valueOf(families, 'order_numbers_ledger_wal_bytes')).toBe(100 * scrapes);
    }
  });

  it.each<[string, () => ReturnType<MetricSources['ledgerSizes']>]>([
    ['are not kept', async () => undefined],
    ['cannot be had', () => Promise.reject(new Error('the disk is away'))],
    ['cannot even be asked for', () => raise('the ledger is closed')],
    ['do not come', () => new Promise(() => {})],
  ])("of the ledger's sizes are left out if they %s", async (_, answer) => {
    let isAway = false;
    const url = await serve({ ledgerSizes: () => (isAway ? answer() : Promise.resolve({ database: 4096, wal: 0 })) });
    expect(valueOf(parse(await scrape(url)), 'order_numbers_ledger_database_bytes')).toBe(4096);
    isAway = true;
    const text = await scrape(url);
    expect(problemsOf(text)).toEqual([]);
    const families = parse(text);
    expect(valueOf(families, 'order_numbers_ledger_database_bytes')).toBeUndefined();
    expect(valueOf(families, 'order_numbers_ledger_wal_bytes')).toBeUndefined();
    expect(valueOf(families, 'order_numbers_queue_length')).toBe(0);
  });

  it('reappear when they answer again', async () => {
    let fails = true;
    const url = await serve({
      lastOrderId: () => (fails ? raise('not open yet') : 5n),
      ledgerSizes: () => (fails ? raise('not open yet') : Promise.resolve({ database: 1, wal: 2 })),
    });
    const before = parse(await scrape(url));
    expect(valueOf(before, 'order_numbers_last_order_id')).toBeUndefined();
    fails = false;
    const after = parse(await scrape(url));
    expect(valueOf(after, 'order_numbers_last_order_id')).toBe(5);
    expect(valueOf(after, 'order_numbers_ledger_wal_bytes')).toBe(2);
  });

  it('P10: on a hanging disk are asked once, however often they are scraped', async () => {
    let asked = 0;
    const url = await serve({
      ledgerSizes() {
        asked++;
        return new Promise(() => {});
      },
    });
    await Promise.all([scrape(url), scrape(url), scrape(url)]);
    await scrape(url);
    expect(asked).toBe(1);
  });
});

describe('the delay of the event loop', () => {
  it('is the same for two scrapers', async () => {
    const url = await serve();
    await monitorsHaveRun(url);
    block(300);
    await vi.waitFor(async () => expect(await longestDelay(url)).toBeGreaterThan(0.25), BUSY_MACHINE);
    expect(await longestDelay(url)).toBeGreaterThan(0.25);
    // Most of the time the loop was not blocked.
    const median = async () => valueOf(parse(await scrape(url)), 'order_numbers_event_loop_delay_p50_seconds');
    await vi.waitFor(async () => expect(await median()).toBeLessThan(0.009), BUSY_MACHINE);
  });

  it('is forgotten after two windows, not after one', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const url = await serve();
    await monitorsHaveRun(url);
    // Longer than a busy machine keeps this process from running between two scrapes.
    block(1500);
    await vi.waitFor(async () => expect(await longestDelay(url)).toBeGreaterThan(1.4), BUSY_MACHINE);
    vi.advanceTimersByTime(60_000);
    expect(await longestDelay(url)).toBeGreaterThan(1.4);
    vi.advanceTimersByTime(60_000);
    expect(await longestDelay(url)).toBeLessThan(1.4);
  });
});

describe('the metrics server', () => {
  it('answers GET and HEAD of /metrics', async () => {
    const url = await serve();
    const get = await fetch(`${url}?collect[]=all`);
    expect(get.status).toBe(200);
    expect(get.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await get.text()).toContain('order_numbers_allocations_total 0\n');
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(1000);
    expect(await head.text()).toBe('');
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('refuses %s, and names the allowed methods', async (method) => {
    const response = await fetch(await serve(), { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
  });

  it.each(['/', '/metrics/', '/Metrics', '/metrics/x', '//metrics'])('has nothing at %s', async (path) => {
    const { origin } = new URL(await serve());
    const response = await fetch(origin + path);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('/metrics');
  });

  it('closes at once, even with open connections', async () => {
    const server = await startMetricsServer(LOOPBACK, new Metrics(), sources());
    const sockets = ['', 'GET /metrics HTTP/1.1\r\nHost: a\r\n', 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'].map(
      (said) => {
        const socket = connectSocket(server.address.port, server.address.host);
        socket.write(said);
        return socket;
      },
    );
    await once(sockets[2]!, 'data');
    const closed = sockets.map((socket) => once(socket.resume(), 'close'));
    await server.close();
    await Promise.all(closed);
    await expect(fetch(`http://${formatAddress(server.address)}/metrics`)).rejects.toThrow('fetch failed');
  });

  it('rejects if the address is in use', async () => {
    const { host, port } = new URL(await serve());
    const address = { host: host.split(':')[0]!, port: Number(port) };
    await expect(startMetricsServer(address, new Metrics(), sources())).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

describe('the lint of scrapes', () => {
  const histogram = (...lines: string[]) => familyText('a_seconds', 'histogram', ...lines);

  it.each([
    ['a counter without _total', familyText('a', 'counter', 'a 1'), /_total/],
    ['a gauge with _total', familyText('a_total', 'gauge', 'a_total 1'), /_total/],
    ['a type in a name', familyText('a_gauge', 'gauge', 'a_gauge 1'), /type/],
    ['camelCase', familyText('aName', 'gauge', 'aName 1'), /name/],
    ['milliseconds', familyText('a_milliseconds', 'gauge', 'a_milliseconds 1'), /base unit/],
    ['a short unit', familyText('a_ms', 'gauge', 'a_ms 1'), /base unit/],
    ['a unit in the middle', familyText('a_bytes_b', 'gauge', 'a_bytes_b 1'), /end/],
    ['a colon', familyText('a:b', 'gauge', 'a:b 1'), /recording rule/],
    ['no HELP', '# TYPE a gauge\na 1\n', /HELP/],
    ['an empty HELP', '# HELP a \n# TYPE a gauge\na 1\n', /HELP/],
    ['no TYPE', '# HELP a Some help.\na 1\n', /TYPE/],
    ['a family twice', familyText('a', 'gauge', 'a 1') + familyText('a', 'gauge', 'a{b="c"} 1'), /twice/],
    ['a series twice', familyText('a', 'gauge', 'a{b="c",d="e"} 1', 'a{d="e",b="c"} 2'), /twice/],
    ['le outside a histogram', familyText('a', 'gauge', 'a{le="1"} 1'), /le/],
    ['quantile outside a summary', familyText('a', 'gauge', 'a{quantile="1"} 1'), /quantile/],
    ['a label in camelCase', familyText('a', 'gauge', 'a{bC="1"} 1'), /label/],
    ['a suffix of histograms', familyText('a_count', 'gauge', 'a_count 1'), /_count/],
    ['a negative counter', familyText('a_total', 'counter', 'a_total -1'), /negative/],
    ['a value that is none', familyText('a', 'gauge', 'a Nan'), /number/],
    ['no +Inf', histogram('a_seconds_bucket{le="1"} 1', 'a_seconds_sum 1', 'a_seconds_count 1'), /\+Inf/],
    [
      '+Inf that is not the count',
      histogram('a_seconds_bucket{le="+Inf"} 2', 'a_seconds_sum 1', 'a_seconds_count 1'),
      /\+Inf/,
    ],
    ['no sum', histogram('a_seconds_bucket{le="+Inf"} 1', 'a_seconds_count 1'), /_sum/],
    [
      'falling buckets',
      histogram('a_seconds_bucket{le="1"} 3', 'a_seconds_bucket{le="+Inf"} 1', 'a_seconds_sum 1', 'a_seconds_count 1'),
      /fall/,
    ],
    ['a line of another family', familyText('a', 'gauge', 'b 1'), /b/],
    ['no newline at the end', familyText('a', 'gauge', 'a 1').trimEnd(), /newline/],
    ['too many series', familyText('a', 'gauge', ...Array.from({ length: 1001 }, (_, i) => `a{b="${i}"} 1`)), /series/],
  ])('finds %s', (_, text, problem) => {
    expect(problemsOf(text).join('\n')).toMatch(problem);
  });

  it('finds nothing in a good scrape', () => {
    const good = familyText(
      'a_c_total',
      'counter',
      'a_c_total{c="d\\"\\n\\\\,{}",e="f"} 1',
      'a_c_total{c="d",e="f"} 1e-7',
    );
    const buckets = [
      'a_seconds_bucket{le="0.1"} 0',
      'a_seconds_bucket{le="+Inf"} 2',
      'a_seconds_sum 3.5',
      'a_seconds_count 2',
    ];
    expect(problemsOf(good + histogram(...buckets))).toEqual([]);
  });
});

describe('the dashboard', () => {
  const text = readFileSync(new URL('../../../ops/grafana-dashboard.json', import.meta.url), 'utf8');
  const dashboard = JSON.parse(text) as Dashboard;
  const expressions = dashboard.panels.flatMap(({ targets }) => targets?.map(({ expr }) => expr) ?? []);
  const queries = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);

  it('queries existing metrics and labels, and every one of our own', async () => {
    // SQLite also has files whose sizes are shown.
    const families = parse(await realScrape(SQLITE));
    const names = new Set(families.flatMap(seriesNamesOf));
    const asked = [...expressions.flatMap(metricNamesOf), ...queries.map((query) => /\((\w+)/.exec(query)![1]!)];
    expect(asked.filter((name) => !names.has(name))).toEqual([]);
    const unused = families.filter((family) => !seriesNamesOf(family).some((name) => asked.includes(name)));
    expect(unused.map(({ name }) => name)).toEqual([]);

    const labels = new Set(families.flatMap(({ samples }) => samples.flatMap((sample) => Object.keys(sample.labels))));
    // Prometheus adds these itself.
    for (const added of ['job', 'instance']) labels.add(added);
    expect(expressions.flatMap(labelNamesOf).filter((label) => !labels.has(label))).toEqual([]);
  });

  it('works in Grafana 11 with any Prometheus', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
    expect(dashboard.templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    const charts = dashboard.panels.filter(({ type }) => type !== 'row');
    expect(charts.length).toBeGreaterThan(10);
    const datasource = { type: 'prometheus', uid: '${datasource}' };
    for (const { targets, datasource: own } of charts) {
      expect([own, ...targets!.map((target) => target.datasource)]).toEqual([
        datasource,
        ...targets!.map(() => datasource),
      ]);
    }
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('rates counters, and takes quantiles of rated buckets', () => {
    for (const expr of expressions) {
      const counted = [...expr.matchAll(/(\w+_(?:total|bucket|sum|count))\{/g)].map((match) => match[0]);
      for (const selector of counted) expect(expr).toContain(`rate(${selector}`);
      expect(expr.split('(')).toHaveLength(expr.split(')').length);
    }
    for (const expr of expressions.filter((each) => each.includes('_bucket'))) {
      expect(expr).toMatch(/^histogram_quantile\(0\.\d+, sum by \(le\b/);
    }
  });
});

interface Dashboard {
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly datasource?: unknown;
    readonly targets?: readonly { readonly expr: string; readonly datasource: unknown }[];
  }[];
}

/** The names in PromQL that are neither labels, functions nor operators. */
function metricNamesOf(expr: string): string[] {
  const bare = expr.replace(/\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)/g, ' ');
  return [...bare.matchAll(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !/^(or|and|unless)$/.test(name));
}

function labelNamesOf(expr: string): string[] {
  const matchers = [...expr.matchAll(/(\w+)\s*(?:=~|!=|!~|=)\s*"/g)].map((match) => match[1]!);
  const lists = [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap((match) => match[1]!.split(/\s*,\s*/));
  return [...matchers, ...lists];
}

function seriesNamesOf({ name, type }: Family): string[] {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

/** A scrape of a real server that has numbered, replayed and refused. */
async function realScrape(engine: Engine): Promise<string> {
  const { certFile, keyFile, cert } = SERVER_CERTIFICATE;
  const server = new LocalServer(await engine.newLedger(), { args: ['--tls-cert', certFile, '--tls-key', keyFile] });
  const url = await metricsUrl(server);
  const client = connect(await server.serving(), { ca: cert });
  onTestFinished(() => client.close());
  for (const requestId of ['a', 'a']) await client.allocateOrder({ storeId: 7n, requestId });
  await failureOf(client.allocateOrder({ storeId: 0n, requestId: '' }));
  return scrape(url);
}

async function metricsUrl(server: LocalServer | ServerProcess): Promise<string> {
  return `http://${String((await server.line('serving'))['metrics'])}/metrics`;
}

/** Starts a metrics server in this process and resolves to its page. */
async function serve(changed: Partial<MetricSources> = {}): Promise<string> {
  const server = await startMetricsServer(LOOPBACK, new Metrics(), { ...sources(), ...changed });
  onTestFinished(() => server.close());
  return `http://${formatAddress(server.address)}/metrics`;
}

function sources(): MetricSources {
  return {
    version: '1.2.3',
    queueLength: () => 0,
    queueLimit: 10_000,
    lastOrderId: () => 0n,
    logLinesDropped: () => 0,
    isLedgerOpen: () => true,
    ledgerClosedSeconds: () => 0,
    ledgerSizes: async () => ({ database: 0, wal: 0 }),
  };
}

async function scrape(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return response.text();
}

function raise(message: string): never {
  throw new Error(message);
}

/** Resolves once the monitor of the event loop has looked: a block before its first look is not seen. */
async function monitorsHaveRun(url: string): Promise<void> {
  await vi.waitFor(async () => {
    const families = parse(await scrape(url));
    expect(valueOf(families, 'order_numbers_event_loop_delay_p99_seconds')).toBeGreaterThan(0);
  }, BUSY_MACHINE);
}

async function longestDelay(url: string): Promise<number> {
  return valueOf(parse(await scrape(url)), 'order_numbers_event_loop_delay_max_seconds')!;
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function labelsOf(transport: string, method: string, result: string) {
  return { transport, method, result };
}

function samplesOf(families: readonly Family[], name: string): Sample[] {
  return families.flatMap(({ samples }) => samples).filter((sample) => sample.name === name);
}

/** The value of the one series that has these labels, and perhaps others; undefined if there is none. */
function valueOf(families: readonly Family[], name: string, labels: Record<string, string> = {}): number | undefined {
  const found = samplesOf(families, name).filter((sample) =>
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  expect(found.length, `series of ${name}`).toBeLessThanOrEqual(1);
  return found[0]?.value;
}

function familyText(name: string, type: string, ...lines: string[]): string {
  return [`# HELP ${name} Some help.`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
}

/** Reads the text format of Prometheus, version 0.0.4; throws at whatever is not of it. */
function parse(text: string): Family[] {
  const families: Family[] = [];
  const helps = new Map<string, string>();
  for (const line of text.split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (comment?.[1] === 'HELP') helps.set(comment[2]!, comment[3]!);
    else if (comment) {
      families.push({ name: comment[2]!, help: helps.get(comment[2]!) ?? '', type: comment[3]!, samples: [] });
    } else if (sample) {
      const family = families.at(-1);
      if (!family) throw new Error(`no TYPE before: ${line}`);
      family.samples.push({ name: sample[1]!, labels: parseLabels(sample[2] ?? ''), value: parseValue(sample[3]!) });
    } else if (line !== '') throw new Error(`not of the format: ${line}`);
  }
  return families;
}

function parseLabels(text: string): Record<string, string> {
  const pair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"/g;
  if (text.replace(pair, '').replaceAll(',', '') !== '') throw new Error(`not labels: ${text}`);
  return Object.fromEntries(
    [...text.matchAll(pair)].map(([, name, value]) => [
      name!,
      value!.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    ]),
  );
}

function parseValue(text: string): number {
  if (!/^[+-]?(\d+(\.\d+)?(e[+-]?\d+)?|Inf)$/.test(text)) throw new Error(`not a number: ${text}`);
  return Number(text.replace('Inf', 'Infinity'));
}

/** The problems that `promtool check metrics` would find, and too large a number of series. */
function problemsOf(text: string): string[] {
  let families: Family[];
  try {
    families = parse(text);
  } catch (error) {
    return [(error as Error).message];
  }
  const problems = families.flatMap((family) => [...nameProblems(family), ...sampleProblems(family)]);
  if (!text.endsWith('\n')) problems.push('no newline at the end');
  problems.push(...twice(families.map(({ name }) => name)).map((name) => `${name} is there twice`));
  const series = families.flatMap(({ samples }) => samples).map(({ name, labels }) => seriesOf(name, labels));
  problems.push(...twice(series).map((name) => `${name} is there twice`));
  if (series.length > MAX_SERIES) problems.push(`${series.length} series are too many`);
  return problems;
}

function nameProblems({ name, help, type }: Family): string[] {
  const problems: string[] = [];
  const words = name.split('_');
  const [last, beforeLast] = words.toReversed();
  const unit = last === 'total' ? beforeLast : last;
  if (help.trim() === '') problems.push(`${name} has no HELP`);
  if (!/^[a-z_:][a-z0-9_:]*$/.test(name)) problems.push(`${name} is not a good name`);
  if (name.includes(':')) problems.push(`${name} is named like a recording rule`);
  if ((last === 'total') !== (type === 'counter')) problems.push(`${name}: counters, and only they, end in _total`);
  for (const suffix of ['bucket', 'sum', 'count']) {
    if (last === suffix) problems.push(`${name} ends in _${suffix}, as the series of histograms do`);
  }
  for (const word of words) {
    if (/^(counter|gauge|histogram|summary)$/.test(word)) problems.push(`${name} has its type in its name`);
    if (NOT_BASE_UNITS.test(word)) {
      problems.push(`${name} has ${word}, which is not a base unit`);
    }
    if (/^(seconds|bytes)$/.test(word) && word !== unit) problems.push(`${name} has its unit not at its end`);
  }
  return problems;
}

function sampleProblems(family: Family): string[] {
  const { name, type, samples } = family;
  const problems: string[] = [];
  for (const sample of samples) {
    if (!seriesNamesOf(family).includes(sample.name)) problems.push(`${sample.name} stands under ${name}`);
    if (type !== 'gauge' && sample.value < 0) problems.push(`${sample.name} is negative`);
    for (const label of Object.keys(sample.labels)) {
      if (!/^[a-z][a-z0-9_]*$/.test(label)) problems.push(`${label} of ${name} is not a good label`);
      if (label === 'quantile') problems.push(`${name} has the label quantile`);
      if (label === 'le' && sample.name !== `${name}_bucket`) problems.push(`${name} has the label le`);
    }
  }
  return type === 'histogram' ? [...problems, ...histogramProblems(family)] : problems;
}

function histogramProblems({ name, samples }: Family): string[] {
  const problems: string[] = [];
  const byLabels = Map.groupBy(samples, ({ labels }) => seriesOf(name, { ...labels, le: '' }));
  for (const [series, group] of byLabels) {
    const sums = group.filter((sample) => sample.name === `${name}_sum`);
    const counts = group.filter((sample) => sample.name === `${name}_count`);
    const buckets = group
      .filter((sample) => sample.name === `${name}_bucket`)
      .map(({ labels, value }) => ({ bound: parseValue(labels['le'] ?? ''), value }));
    if (sums.length !== 1 || counts.length !== 1) problems.push(`${series} has not one _sum and one _count`);
    const inf = buckets.find(({ bound }) => bound === Infinity);
    if (!inf || inf.value !== counts[0]?.value) problems.push(`${series}: the bucket +Inf is not its count`);
    for (const [i, { bound, value }] of buckets.entries()) {
      const before = buckets[i - 1];
      if (before && (before.bound >= bound || before.value > value)) problems.push(`${series}: its buckets fall`);
    }
  }
  return problems;
}

/** A series as in a line of a scrape, but with sorted labels. */
function seriesOf(name: string, labels: Readonly<Record<string, string>>): string {
  return `${name}${JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
}

function twice(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
}
