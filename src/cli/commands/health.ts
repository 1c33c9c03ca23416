import { Command, Option } from 'commander';
import type { Health } from '../../client/connection/health.ts';
import { HealthProbe } from '../../client/connection/health.ts';
import { OrderNumbersError } from '../../client/order-numbers-error.ts';
import { printable, trimmed, wholeNumber } from '../../core/text/plain-text.ts';
import { withConnection } from '../run/client-command.ts';
import { withConnectionOptions } from '../run/client-options.ts';
import { EXIT_REFUSED } from '../run/failure.ts';
import { asOptionParser } from '../run/option-values.ts';

/** Shorter than the timeout that a container's health check has by default. */
const DEFAULT_TIMEOUT_MS = 3_000;
const MAX_TIMEOUT_MS = 3_600_000;

interface HealthFlags {
  readonly service: string;
  readonly timeoutMs: number;
}

/** `order-numbers health` */
export function healthCommand(): Command {
  const command = new Command('health')
    .addOption(
      new Option('--service <name>', 'full name of a gRPC service; by default, the server as a whole').default(
        '',
        'all',
      ),
    )
    .addOption(
      new Option('--timeout-ms <ms>', 'time limit of the single attempt')
        .default(DEFAULT_TIMEOUT_MS)
        .argParser(asOptionParser(trimmed(wholeNumber(1, MAX_TIMEOUT_MS)))),
    );
  return withConnectionOptions(command)
    .addHelpText(
      'after',
      `
Asks once, by grpc.health.v1, which needs no token. Exit code: 0 if the server
is serving, 1 if it is not or does not answer, 2 for wrong usage.

With --json: {"status": "SERVING"}, or {"status": "NOT_SERVING", "reason": "disk full"}.

Examples:
  order-numbers health
  order-numbers health --server orders.example.com:50051 --tls --timeout-ms 1000`,
    )
    .action(async ({ service, timeoutMs }: HealthFlags) => {
      await withConnection(
        command,
        (options) => new HealthProbe(options, timeoutMs),
        async (probe, { output, json }) => {
          const health = await probe.check(service);
          await output.line(json ? JSON.stringify(healthJson(health)) : healthText(health));
          return health.isServing ? 0 : EXIT_REFUSED;
        },
        { reword: (error) => unknownService(error, service) },
      );
    });
}

function healthText({ isServing, reason }: Health): string {
  if (isServing) return 'serving';
  return reason === undefined ? 'not serving' : `not serving: ${printable(reason)}`;
}

function healthJson({ isServing, reason }: Health) {
  return { status: isServing ? 'SERVING' : 'NOT_SERVING', ...(reason === undefined ? {} : { reason }) };
}

function unknownService(error: unknown, service: string): string | undefined {
  if (!(error instanceof OrderNumbersError) || error.code !== 'NOT_FOUND') return undefined;
  return `the server has no service ${printable(service)}: omit --service to ask about the server as a whole`;
}
