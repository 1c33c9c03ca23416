import type { RecordableHistogram } from 'node:perf_hooks';
import { createHistogram } from 'node:perf_hooks';
import type { BatchObserver, BatchSummary } from '../../core/observers.ts';
import type { Reason } from '../../core/reasons.ts';
import type { CalledMethod, CallObserver } from '../calls.ts';

/** What a server did in one interval: rates per second, and durations in milliseconds, undefined if there were none. */
export interface Activity {
  /** How long the interval was. */
  readonly seconds: number;
  readonly allocationsPerSecond: number;
  readonly replaysPerSecond: number;
  /** Requests for numbers that were refused, or given up by their callers. */
  readonly refusalsPerSecond: number;
  /** How long half of the calls for numbers took at most, refusals included. */
  readonly callP50Ms: number | undefined;
  readonly callP99Ms: number | undefined;
  readonly batchesPerSecond: number;
  /** Requests per batch, on average. */
  readonly batchSize: number | undefined;
  readonly commitP50Ms: number | undefined;
  readonly commitP99Ms: number | undefined;
}

/** Durations are kept in microseconds, within 1 %: 24 KB, whatever is recorded. */
const DURATIONS = { lowest: 1, highest: 3_600_000_000, figures: 2 };

/** Measures what a server does, in intervals. While nothing asks for it, it keeps nothing. */
export class ActivityMeter implements CallObserver, BatchObserver {
  #interval: Interval | undefined;

  ended(_transport: string, method: CalledMethod, result: 'OK' | Reason, ms: number): void {
    this.#interval?.ended(method, result, ms);
  }

  requestsEnded(_transport: string, result: 'OK' | Reason, requests: number): void {
    this.#interval?.requestsEnded(result, requests);
  }

  committed(batch: BatchSummary): void {
    this.#interval?.committed(batch);
  }

  /** Begins the first interval. */
  start(): void {
    this.#interval = new Interval();
  }

  /** Ends an interval and begins the next one. Throws if the meter was not started. */
  next(): Activity {
    if (!this.#interval) throw new Error('the meter was not started');
    return this.#interval.take();
  }

  stop(): void {
    this.#interval = undefined;
  }
}

/** The interval in progress. Its histograms are used again for the next one. */
class Interval {
  readonly #calls = createHistogram(DURATIONS);
  readonly #commits = createHistogram(DURATIONS);
  #started = performance.now();
  #allocated = 0;
  #replayed = 0;
  #refused = 0;

  ended({ verb }: CalledMethod, result: 'OK' | Reason, ms: number): void {
    if (verb !== 'allocate') return;
    if (result !== 'OK') this.#refused++;
    record(this.#calls, ms);
  }

  /** The allocations and replays of such a call are in its batches. */
  requestsEnded(result: 'OK' | Reason, requests: number): void {
    if (result !== 'OK') this.#refused += requests;
  }

  committed({ allocated, replayed, ms }: BatchSummary): void {
    this.#allocated += allocated;
    this.#replayed += replayed;
    record(this.#commits, ms);
  }

  take(): Activity {
    const now = performance.now();
    const seconds = (now - this.#started) / 1000;
    const batches = this.#commits.count;
    const activity: Activity = {
      seconds,
      allocationsPerSecond: this.#allocated / seconds,
      replaysPerSecond: this.#replayed / seconds,
      refusalsPerSecond: this.#refused / seconds,
      callP50Ms: percentileMs(this.#calls, 50),
      callP99Ms: percentileMs(this.#calls, 99),
      batchesPerSecond: batches / seconds,
      batchSize: batches === 0 ? undefined : (this.#allocated + this.#replayed) / batches,
      commitP50Ms: percentileMs(this.#commits, 50),
      commitP99Ms: percentileMs(this.#commits, 99),
    };
    this.#started = now;
    this.#allocated = this.#replayed = this.#refused = 0;
    this.#calls.reset();
    this.#commits.reset();
    return activity;
  }
}

function record(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.min(Math.max(DURATIONS.lowest, Math.round(ms * 1000)), DURATIONS.highest));
}

function percentileMs(histogram: RecordableHistogram, percentile: number): number | undefined {
  return histogram.count === 0 ? undefined : histogram.percentile(percentile) / 1000;
}
