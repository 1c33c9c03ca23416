import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Registry } from '@prometheus-io/client';
import Counter from '@prometheus-io/client/lib/counter.js';
import Gauge from '@prometheus-io/client/lib/gauge.js';

/** How often the event loop is sampled. */
const LOOP_RESOLUTION_MS = 10;
/** The longest time between scrapes by which no delay of the event loop is missed. */
const LOOP_WINDOW_MS = 60_000;

/**
 * Uses the names of every Prometheus client, but not the library's collectDefaultMetrics: that resets the event
 * loop's delay at each scrape, so that two scrapers disturb each other, and starts a timer that cannot be stopped.
 */
export function registerProcess(registry: Registry, version: string): void {
  const cpu = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of all threads, user and system.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
  gauge(registry, 'process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge(
    registry,
    'process_start_time_seconds',
    'Start of the process, Unix time.',
    () => performance.timeOrigin / 1000,
  );
  // One less: the descriptor of the folder that is being read.
  gauge(registry, 'process_open_fds', 'Open file descriptors.', () => readdirSync('/proc/self/fd').length - 1);
  gauge(registry, 'nodejs_heap_size_total_bytes', 'Heap of the main thread.', () => process.memoryUsage().heapTotal);
  gauge(registry, 'nodejs_heap_size_used_bytes', 'Heap in use, main thread.', () => process.memoryUsage().heapUsed);
  new Gauge({
    name: 'order_numbers_build_info',
    help: 'Always 1; its labels say which version runs on which Node.js.',
    labelNames: ['version', 'node_version'],
    registers: [registry],
  }).set({ version, node_version: process.versions.node }, 1);
}

/**
 * Delays cover the last one to two windows, however often they are scraped: the older of two monitors, which are reset
 * in turn, is shown. Returns a function that stops them.
 */
export function registerEventLoop(registry: Registry): () => void {
  let older = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  let newer = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  older.enable();
  newer.enable();
  const timer = setInterval(() => {
    [older, newer] = [newer, older];
    newer.reset();
  }, LOOP_WINDOW_MS).unref();
  // A monitor counts its own interval as delay.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - LOOP_RESOLUTION_MS / 1000);
  const name = 'order_numbers_event_loop_delay';
  const when = 'in the last one to two minutes';
  gauge(registry, `${name}_p50_seconds`, `Delay of the event loop, median ${when}.`, () =>
    seconds(older.percentile(50)),
  );
  gauge(registry, `${name}_p99_seconds`, `The same, 99th percentile ${when}.`, () => seconds(older.percentile(99)));
  gauge(registry, `${name}_max_seconds`, `The same, longest ${when}.`, () => seconds(older.max));
  return () => {
    clearInterval(timer);
    older.disable();
    newer.disable();
  };
}

/** A gauge that is read at each scrape, and left out if `read` throws or returns undefined. */
export function gauge(registry: Registry, name: string, help: string, read: () => number | undefined): Gauge {
  return new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.remove();
      try {
        const value = read();
        if (value !== undefined) this.set(value);
      } catch {
        // A scrape without this value is worth more than no scrape.
      }
    },
  });
}
