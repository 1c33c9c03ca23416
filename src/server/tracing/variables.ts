import { trimmed, wholeNumber } from '../../core/text/plain-text.ts';

/** The variables of the environment. OpenTelemetry's own packages read further ones by themselves. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The samplers that every SDK of OpenTelemetry knows. */
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** How spans are chosen and sent, by the names and defaults of OpenTelemetry's specification. */
export interface SpanSettings {
  /** Which calls have a span; by default, the caller decides, and a call without a decision has one. */
  readonly sampler: (typeof SAMPLERS)[number];
  /** The share of the traces that are kept, from 0 to 1; the samplers whose names have `ratio` use it. */
  readonly ratio: number;
  /** The time between two exports, unless enough spans wait to fill an export. */
  readonly scheduledDelayMillis: number;
  readonly exportTimeoutMillis: number;
  /** Spans that wait or are being sent, at most; further ones are dropped. */
  readonly maxQueueSize: number;
  /** Spans of one export, at most. */
  readonly maxExportBatchSize: number;
}

/** Whether the variables say that nothing is sent, whatever collector is named. */
export function isSwitchedOff(variables: Variables): boolean {
  return variables['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || variables['OTEL_TRACES_EXPORTER'] === 'none';
}

/** Throws an Error whose message names the variable whose value cannot be used, and the remedy. */
export function spanSettings(variables: Variables): SpanSettings {
  const protocol = 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL';
  one(variables, 'OTEL_TRACES_EXPORTER', ['otlp', 'none']);
  one(variables, variables[protocol] ? protocol : 'OTEL_EXPORTER_OTLP_PROTOCOL', ['http/protobuf']);
  const maxQueueSize = read(variables, 'OTEL_BSP_MAX_QUEUE_SIZE', 2048, wholeNumber(1, 1_000_000));
  return {
    sampler: one(variables, 'OTEL_TRACES_SAMPLER', SAMPLERS) ?? 'parentbased_always_on',
    ratio: read(variables, 'OTEL_TRACES_SAMPLER_ARG', 1, ratioOf),
    scheduledDelayMillis: read(variables, 'OTEL_BSP_SCHEDULE_DELAY', 5000, wholeNumber(1, 600_000)),
    exportTimeoutMillis: read(variables, 'OTEL_BSP_EXPORT_TIMEOUT', 30_000, wholeNumber(1, 600_000)),
    maxQueueSize,
    maxExportBatchSize: Math.min(
      maxQueueSize,
      read(variables, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, wholeNumber(1, 1_000_000)),
    ),
  };
}

/** The value if it is one of these; undefined if there is none. An empty variable counts as none. */
function one<Value extends string>(variables: Variables, name: string, values: readonly Value[]): Value | undefined {
  return read(variables, name, undefined, (text) => {
    const value = values.find((known) => known === text);
    if (value === undefined) throw new Error(`Use ${values.join(', ')}.`);
    return value;
  });
}

function read<Value>(variables: Variables, name: string, standard: Value, parse: (text: string) => Value): Value {
  const text = variables[name];
  if (text === undefined || text === '') return standard;
  try {
    return trimmed(parse)(text);
  } catch (error) {
    throw new Error(`${name} is ${JSON.stringify(text)}. ${(error as Error).message}`, { cause: error });
  }
}

function ratioOf(text: string): number {
  const ratio = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (ratio >= 0 && ratio <= 1) return ratio;
  throw new Error('Use a number from 0 to 1, such as 0.01.');
}
