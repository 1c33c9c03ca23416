import { join } from 'node:path';
import { expect, it } from 'vitest';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { testFolder } from '../../support/processes/server-process.ts';

it.each([
  [{}, 'ok', /^traces would be sent to http:\/\/127\.0\.0\.1:4318$/],
  [{ OTEL_TRACES_EXPORTER: 'none' }, 'ok', /^no traces: OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER switches them off$/],
  [
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    'warning',
    /^no traces would be sent: OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"\. Use http\/protobuf\.$/,
  ],
])('with %j the check of --otlp says: %s, %s', async (variables, kind, text) => {
  const listeners = ['--grpc-listen=127.0.0.1:0', '--http-listen=off', '--metrics-listen=off'];
  const args = ['serve', '--check', '--json', '--ledger', join(testFolder(), 'orders.db'), ...listeners];
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', ...variables };
  const { stdout, exitCode } = await localOrderNumbers(args, { env });
  const { findings } = JSON.parse(stdout) as {
    readonly findings: readonly { kind: string; flag: string; text: string }[];
  };
  expect(findings.filter(({ flag }) => flag === '--otlp').slice(-1)).toEqual([
    { kind, flag: '--otlp', text: expect.stringMatching(text) as string },
  ]);
  expect(exitCode).toBe(0);
});
