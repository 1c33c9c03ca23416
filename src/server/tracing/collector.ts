import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import type { Sampler, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Logger } from '../log/log.ts';
import type { Tracing } from './call-tracer.ts';
import { SpanLosses } from './span-losses.ts';
import type { SpanSettings } from './variables.ts';

/** A collector, and what makes its spans. */
export interface Collector extends Pick<Tracing, 'close'> {
  readonly provider: TracerProvider;
}

/** Sends spans to the collector at this URL. This module needs OpenTelemetry's SDK, which is not always installed. */
export function openCollector(url: string, settings: SpanSettings, version: string, logger: Logger): Collector {
  const losses = new SpanLosses(logger);
  const sender = new SpanSender(new OTLPTraceExporter({ url }), settings, losses, url);
  const own = { 'service.name': 'order-numbers', 'service.version': version };
  const here = { 'host.name': hostname(), 'process.pid': process.pid };
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ ...own, ...here }).merge(detectResources({ detectors })),
    sampler: samplerOf(settings),
    spanProcessors: [sender],
  });
  return {
    provider,
    async close(limitMs) {
      const sent = provider.shutdown().catch(() => {});
      await Promise.race([sent, delay(limitMs, undefined, { ref: false })]);
      sender.giveUp();
    },
  };
}

/**
 * Hands spans to the library's queue, which sends them in batches, and bounds how many are on the way: those of a slow
 * export count, too. Further ones are dropped.
 */
class SpanSender implements SpanProcessor {
  readonly #processor: BatchSpanProcessor;
  readonly #maxSpans: number;
  readonly #losses: SpanLosses;
  /** Spans that have ended, and for which the collector has not answered. */
  #underWay = 0;

  constructor(exporter: SpanExporter, settings: SpanSettings, losses: SpanLosses, url: string) {
    this.#maxSpans = settings.maxQueueSize;
    this.#losses = losses;
    const watched: SpanExporter = {
      export: (spans, done) =>
        exporter.export(spans, (result) => {
          this.#underWay -= spans.length;
          if (result.error)
            losses.add('failed', spans.length, `traces cannot be sent to ${url}: ${whyOf(result.error)}`);
          done(result);
        }),
      shutdown: () => exporter.shutdown(),
    };
    this.#processor = new BatchSpanProcessor({ ...settings, exporter: watched });
  }

  onStart(): void {}

  onEnd(span: Parameters<SpanProcessor['onEnd']>[0]): void {
    if (this.#underWay >= this.#maxSpans) {
      const why = `traces are dropped, because ${this.#maxSpans} spans wait for the collector: sample fewer, or raise OTEL_BSP_MAX_QUEUE_SIZE`;
      return this.#losses.add('full', 1, why);
    }
    this.#underWay++;
    this.#processor.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#processor.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#processor.shutdown();
  }

  /** Says what is lost at the end. */
  giveUp(): void {
    if (this.#underWay > 0)
      this.#losses.add('failed', this.#underWay, 'the last traces were not sent before the server stopped');
    this.#losses.flush();
  }
}

/** The message of a failed connection to several addresses is empty. */
function whyOf(error: Error & { readonly code?: unknown }): string {
  return error.message || String(error.code ?? error.name);
}

function samplerOf({ sampler, ratio }: SpanSettings): Sampler {
  const root = sampler.endsWith('ratio')
    ? new TraceIdRatioBasedSampler(ratio)
    : sampler.endsWith('on')
      ? new AlwaysOnSampler()
      : new AlwaysOffSampler();
  return sampler.startsWith('parentbased') ? new ParentBasedSampler({ root }) : root;
}
