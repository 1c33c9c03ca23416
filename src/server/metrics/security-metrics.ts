import type { Registry } from '@prometheus-io/client';
import { Counter } from '@prometheus-io/client';
import type { TokenSources } from '../security/token-reload.ts';
import { gauge } from './process-metrics.ts';

/** A server without tokens has no active one, and no file that could be broken. */
export function registerTokens(registry: Registry, tokens: TokenSources | undefined): void {
  gauge(
    registry,
    'order_numbers_tokens_active',
    'Tokens and certificates that are neither revoked nor expired; 0 without --tokens.',
    () => tokens?.active() ?? 0,
  );
  gauge(
    registry,
    'order_numbers_tokens_current',
    '0 while the token file cannot be used, and what was read before is in use; else 1.',
    () => Number(tokens?.isCurrent() ?? true),
  );
  const failures = new Counter({
    name: 'order_numbers_tokens_reload_failures_total',
    help: 'Versions of the token file that could not be used.',
    registers: [registry],
    collect() {
      failures.reset();
      failures.inc(tokens?.failures() ?? 0);
    },
  });
}
