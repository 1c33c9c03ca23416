import { expect, it } from 'vitest';
import { isSwitchedOff, spanSettings } from '../../../src/server/tracing/variables.ts';

it('without variables the settings are those of the specification', () => {
  expect(spanSettings({})).toEqual({
    sampler: 'parentbased_always_on',
    ratio: 1,
    scheduledDelayMillis: 5000,
    exportTimeoutMillis: 30_000,
    maxQueueSize: 2048,
    maxExportBatchSize: 512,
  });
  expect(isSwitchedOff({})).toBe(false);
});

it('each setting has its variable, an empty one counts as none, and an export is no larger than the queue', () => {
  const variables = {
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: ' .25\r',
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_BSP_EXPORT_TIMEOUT: '200',
    OTEL_BSP_MAX_QUEUE_SIZE: '300',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '',
  };
  expect(spanSettings(variables)).toEqual({
    sampler: 'traceidratio',
    ratio: 0.25,
    scheduledDelayMillis: 100,
    exportTimeoutMillis: 200,
    maxQueueSize: 300,
    maxExportBatchSize: 300,
  });
});

it.each([
  ['OTEL_TRACES_EXPORTER', 'zipkin', 'Use otlp, none.'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'Use http/protobuf.'],
  ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json', 'Use http/protobuf.'],
  ['OTEL_TRACES_SAMPLER', 'jaeger_remote', 'Use always_on, always_off, traceidratio, parentbased_always_on'],
  ['OTEL_TRACES_SAMPLER_ARG', '1.5', 'Use a number from 0 to 1, such as 0.01.'],
  ['OTEL_TRACES_SAMPLER_ARG', '1%', 'Use a number from 0 to 1, such as 0.01.'],
  ['OTEL_BSP_MAX_QUEUE_SIZE', '0', 'Use a whole number from 1 to 1000000.'],
  ['OTEL_BSP_SCHEDULE_DELAY', '5s', 'Use a whole number from 1 to 600000.'],
])('%s=%s is refused with its remedy', (name, value, remedy) => {
  expect(() => spanSettings({ [name]: value })).toThrow(`${name} is "${value}". ${remedy}`);
});

it.each([
  ['OTEL_SDK_DISABLED', 'true', true],
  ['OTEL_SDK_DISABLED', 'TRUE', true],
  ['OTEL_SDK_DISABLED', 'false', false],
  ['OTEL_TRACES_EXPORTER', 'none', true],
  ['OTEL_TRACES_EXPORTER', 'otlp', false],
])('%s=%s switches the traces off: %s', (name, value, isOff) => {
  expect(isSwitchedOff({ [name]: value })).toBe(isOff);
});
