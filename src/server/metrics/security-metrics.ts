import type { Registry } from '@prometheus-io/client';
import Counter from '@prometheus-io/client/lib/counter.js';
import type { Reason } from '../../core/reasons.ts';
import type { TokenSources } from '../security/token-reload.ts';
import type { ReloadObserver } from '../security/tls/certificates.ts';
import type { HandshakeFailure } from '../security/tls/handshake-failures.ts';
import { HANDSHAKE_FAILURES } from '../security/tls/handshake-failures.ts';
import type { HandshakeObserver } from '../security/tls/handshakes.ts';
import { gauge } from './process-metrics.ts';

/** Without tokens, none is active, and no file can be broken. */
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
    '0 while the token file cannot be used and older entries stay in use; otherwise 1.',
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

/** The expiry is left out without TLS. */
export function registerCertificate(
  registry: Registry,
  expirySeconds: () => number | undefined,
  isCurrent: () => boolean,
): void {
  gauge(
    registry,
    'order_numbers_tls_certificate_expiry_timestamp_seconds',
    'When the certificate in use expires, as Unix time.',
    expirySeconds,
  );
  gauge(
    registry,
    'order_numbers_tls_current',
    '0 while the TLS files cannot be used, and older ones stay in use; else 1.',
    () => Number(isCurrent()),
  );
}

const AUTH_REFUSALS: ReadonlySet<Reason> = new Set(['TOKEN_INVALID', 'VERB_FORBIDDEN', 'STORE_FORBIDDEN']);

/** Counts the calls that were refused for their credentials. */
export class AuthMetrics {
  readonly #refusals: Counter<'reason'>;

  constructor(registry: Registry) {
    this.#refusals = new Counter({
      name: 'order_numbers_auth_refusals_total',
      help: 'Calls that were refused because of their credentials.',
      labelNames: ['reason'],
      registers: [registry],
    });
    // A rate includes the first refusal only if there was a 0 before it.
    for (const reason of AUTH_REFUSALS) this.#refusals.inc({ reason }, 0);
  }

  ended(result: Reason, times = 1): void {
    if (AUTH_REFUSALS.has(result)) this.#refusals.inc({ reason: result }, times);
  }
}

/** Counts failed handshakes and failed reloads of TLS files. */
export class TlsMetrics implements HandshakeObserver, ReloadObserver {
  readonly #handshakes: Counter<'reason'>;
  readonly #reloads: Counter;

  constructor(registry: Registry) {
    this.#handshakes = new Counter({
      name: 'order_numbers_tls_handshake_failures_total',
      help: 'TLS handshakes that failed.',
      labelNames: ['reason'],
      registers: [registry],
    });
    for (const reason of HANDSHAKE_FAILURES) this.#handshakes.inc({ reason }, 0);
    this.#reloads = new Counter({
      name: 'order_numbers_tls_reload_failures_total',
      help: 'Versions of the TLS files that could not be used.',
      registers: [registry],
    });
  }

  handshakeFailed(reason: HandshakeFailure): void {
    this.#handshakes.inc({ reason });
  }

  reloadFailed(): void {
    this.#reloads.inc();
  }
}
