import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openTracing } from '../../../src/server/tracing/open-tracing.ts';

it.each([
  [{}, []],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }, [expect.stringContaining('is not read')]],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces', OTEL_SDK_DISABLED: 'true' }, []],
])('without a collector there are no traces, and with %j the log says %j', async (variables, expected) => {
  const lines: unknown[] = [];
  const write = (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg);
  const logger = pino({}, { write });
  expect(await openTracing({ otlp: 'off', variables, version: '1', logger })).toBeUndefined();
  expect(lines).toEqual(expected);
});
