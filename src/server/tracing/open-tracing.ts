import type { Tracer } from '@opentelemetry/api';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../log/log.ts';
import { tracesUrl } from './collector-url.ts';
import type { CallTracer, Tracing } from './call-tracer.ts';
import type { Variables } from './variables.ts';
import { isSwitchedOff, spanSettings } from './variables.ts';

/** The packages that only a server with --otlp needs, as npm takes them. */
export const PACKAGES =
  '@opentelemetry/sdk-trace@3.1 @opentelemetry/resources@3.1 @opentelemetry/exporter-trace-otlp-proto@0.301';
/** The collector of traces alone, which other programs read. */
const NOT_READ = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
const REMEDY = 'set OTEL_EXPORTER_OTLP_ENDPOINT, or --otlp, to the URL of the collector';
/** The name of the tracer. */
const NAME = 'order-numbers';
/** What an SDK registers is here, whichever copy of OpenTelemetry's API it has loaded. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

export interface TracingOptions {
  /** The URL of an OTLP collector. */
  readonly otlp: string | 'off';
  readonly variables: Variables;
  /** The version of this package. */
  readonly version: string;
  readonly logger: Logger;
}

/**
 * Opens the destination of the spans: an SDK of OpenTelemetry that the process has loaded before (`node --import`), or
 * else the collector. Undefined if there is neither. Never rejects: a server numbers without traces, too, and the log
 * says why it has none.
 */
export async function openTracing(options: TracingOptions): Promise<Tracing | undefined> {
  const { otlp, variables, version, logger } = options;
  try {
    const registered = await registeredTracer(version);
    // The code that registered the SDK also shuts it down.
    if (registered)
      return { tracer: await callSpans(registered), to: 'the SDK of this process', close: async () => {} };
    if (isSwitchedOff(variables)) return undefined;
    if (otlp === 'off') {
      if (variables[NOT_READ]) logger.warn(`no traces are sent: ${NOT_READ} is not read; ${REMEDY}`);
      return undefined;
    }
    const settings = spanSettings(variables);
    const { openCollector } = await import('./collector.ts');
    const to = tracesUrl(otlp);
    const { provider, close } = openCollector(to, settings, version, logger);
    return { tracer: await callSpans(provider.getTracer(NAME, version)), to, close };
  } catch (error) {
    logger.error(`no traces are sent: ${whyNot(error)}`);
    return undefined;
  }
}

/** Why a server with these settings would send no traces although --otlp says so; undefined if it would. */
export async function whyNoTraces(variables: Variables): Promise<string | undefined> {
  try {
    spanSettings(variables);
    await import('./collector.ts');
    return undefined;
  } catch (error) {
    return whyNot(error);
  }
}

/** A tracer of the SDK that the process has registered, if it has. A server without traces does not load the API. */
async function registeredTracer(version: string): Promise<Tracer | undefined> {
  if (!(REGISTERED in globalThis)) return undefined;
  const { ProxyTracerProvider, trace } = await import('@opentelemetry/api');
  const provider = trace.getTracerProvider();
  const of = [NAME, version] as const;
  return provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(...of) : provider.getTracer(...of);
}

async function callSpans(tracer: Tracer): Promise<CallTracer> {
  const { CallSpans } = await import('./call-spans.ts');
  return new CallSpans(tracer);
}

function whyNot(error: unknown): string {
  const isMissing = (error as { readonly code?: unknown }).code === 'ERR_MODULE_NOT_FOUND';
  return isMissing ? `--otlp needs packages that are not installed: npm install ${PACKAGES}` : messageOf(error);
}
