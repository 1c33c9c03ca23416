import { parseBoolean, parseShare, trimmed, wholeNumber } from '../core/text/plain-text.ts';
import { parseLedger, parseLedgerId, parseLedgerRead } from '../engines/location.ts';
import type { Address } from './address.ts';
import { parseAddress, parseAddressOrOff } from './address.ts';
import type { LogLevel } from './log-level.ts';
import { LOG_LEVELS, parseLogLevel } from './log-level.ts';
import { parseTokensPath } from './security/token-text.ts';
import { parseHosts } from './security/web/allowed-hosts.ts';
import { parseOrigins } from './security/web/allowed-origins.ts';
import { parseCollectorUrl } from './tracing/collector-url.ts';

/** Quotes that were meant for a shell. */
const QUOTED = /^['"`].*['"`]$/;

/** The settings of `order-numbers serve`. */
export interface ServeSettings {
  readonly grpcListen: Address;
  readonly httpListen: Address | 'off';
  readonly metricsListen: Address | 'off';
  /** Path of the SQLite ledger, or the URL of a PostgreSQL database or of a DynamoDB table. */
  readonly ledger: string;
  /** The URL of a standby for reads. */
  readonly ledgerRead: string | 'off';
  /** Whether a ledger may be created if there is none. */
  readonly create: boolean;
  /** The only ledger to serve; another one is refused. */
  readonly expectLedgerId: string | 'none';
  /** PEM files of the server's certificate and key. */
  readonly tlsCert: string | 'off';
  readonly tlsKey: string | 'off';
  /** PEM file of the CAs that sign client certificates; with it, clients need one. */
  readonly tlsClientCa: string | 'off';
  /** Whether the metrics are protected as calls are. */
  readonly metricsSecure: boolean;
  readonly maxBatch: number;
  readonly maxQueue: number;
  /** The share of a full queue that one caller may claim from callers that hold more of it. */
  readonly maxQueueShare: number;
  readonly requireRequestId: boolean;
  readonly autoCreateStores: boolean;
  readonly drainTimeoutMs: number;
  /** Host names of an open server. */
  readonly httpHosts: readonly string[];
  /** Origins whose web pages may call it. */
  readonly httpOrigins: readonly string[];
  /** How long an HTTP request may wait for its answer. */
  readonly httpRequestTimeoutMs: number;
  /** How long an HTTP connection may stay idle. */
  readonly httpIdleTimeoutMs: number;
  /** Path of the token file. */
  readonly tokens: string | 'off';
  readonly logLevel: LogLevel;
  /** The URL of an OpenTelemetry collector. */
  readonly otlp: string | 'off';
}

/** One setting: a flag and an environment variable of the same meaning; the flag wins. */
export interface Setting<Value> {
  /** As commander writes it: `--name <value>`, or `--name [value]` if the bare flag means true. */
  readonly flag: string;
  readonly variable: string;
  /** As a user would type it. */
  readonly default: string;
  readonly help: string;
  /** Ignores white space around the text. Throws an Error whose message shows what a valid value is. */
  parse(text: string): Value;
}

/** The schema of all settings: the help, the check and the table in docs/operations.md come from here. */
export const SERVE_SETTINGS: { readonly [K in keyof ServeSettings]: Setting<ServeSettings[K]> } = {
  grpcListen: {
    flag: '--grpc-listen <host:port>',
    variable: 'ORDERS_GRPC_LISTEN',
    default: '127.0.0.1:50051',
    help: 'address to serve gRPC on; port 0 picks a free port and logs it',
    parse: trimmed(parseAddress),
  },
  httpListen: {
    flag: '--http-listen <host:port|off>',
    variable: 'ORDERS_HTTP_LISTEN',
    default: '127.0.0.1:3000',
    help: 'address to serve HTTP on (every method in JSON, POST /api/generateOrderNumber, /readyz, the console), or off',
    parse: trimmed(parseAddressOrOff),
  },
  metricsListen: {
    flag: '--metrics-listen <host:port|off>',
    variable: 'ORDERS_METRICS_LISTEN',
    default: '127.0.0.1:9464',
    help: 'address to serve /metrics on for Prometheus, or off',
    parse: trimmed(parseAddressOrOff),
  },
  ledger: {
    flag: '--ledger <path|url>',
    variable: 'ORDERS_LEDGER',
    default: 'data/orders.db',
    help: 'the ledger: an SQLite file, created if it does not exist, postgres://user@host:5432/database, or dynamodb://TABLE?region=eu-central-1',
    parse: parseLedger,
  },
  ledgerRead: {
    flag: '--ledger-read <url|off>',
    variable: 'ORDERS_LEDGER_READ',
    default: 'off',
    help: 'with PostgreSQL: the URL of a standby (replica) for lists of allocations, verifications and most lookups',
    parse: parseLedgerRead,
  },
  create: {
    flag: '--create [true|false]',
    variable: 'ORDERS_CREATE',
    default: 'true',
    help: 'create the ledger if it does not exist; if false (recommended in production), refuse to start instead',
    parse: trimmed(parseBoolean),
  },
  expectLedgerId: {
    flag: '--expect-ledger-id <id|none>',
    variable: 'ORDERS_EXPECT_LEDGER_ID',
    default: 'none',
    help: 'refuse to start on any ledger but the one with this ledger_id, which is logged at each start',
    parse: trimmed(parseLedgerId),
  },
  tlsCert: {
    flag: '--tls-cert <file|off>',
    variable: 'ORDERS_TLS_CERT',
    default: 'off',
    help: "serve gRPC and HTTP over TLS: a PEM file with the server's certificate and its chain; needs --tls-key",
    parse: trimmed(parseFileOrOff),
  },
  tlsKey: {
    flag: '--tls-key <file|off>',
    variable: 'ORDERS_TLS_KEY',
    default: 'off',
    help: 'a PEM file with the private key for --tls-cert, unencrypted',
    parse: trimmed(parseFileOrOff),
  },
  tlsClientCa: {
    flag: '--tls-client-ca <file|off>',
    variable: 'ORDERS_TLS_CLIENT_CA',
    default: 'off',
    help: 'mutual TLS: clients need a certificate signed by one of the CAs in this PEM file',
    parse: trimmed(parseFileOrOff),
  },
  metricsSecure: {
    flag: '--metrics-secure [true|false]',
    variable: 'ORDERS_METRICS_SECURE',
    default: 'false',
    help: 'serve the metrics over the same TLS, and only to a token or client certificate with the verb metrics',
    parse: trimmed(parseBoolean),
  },
  maxBatch: {
    flag: '--max-batch <requests>',
    variable: 'ORDERS_MAX_BATCH',
    default: '1000',
    help: 'maximum number of requests committed in one transaction',
    parse: trimmed(wholeNumber(1, 10_000)),
  },
  maxQueue: {
    flag: '--max-queue <requests>',
    variable: 'ORDERS_MAX_QUEUE',
    default: '10000',
    help: 'maximum number of requests waiting for a transaction; requests beyond that are refused',
    parse: trimmed(wholeNumber(1, 1_000_000)),
  },
  maxQueueShare: {
    flag: '--max-queue-share <share>',
    variable: 'ORDERS_MAX_QUEUE_SHARE',
    default: '0.5',
    help: 'the share of a full queue, above 0 and up to 1, that a caller may claim from callers that hold more of it',
    parse: trimmed(parseShare),
  },
  requireRequestId: {
    flag: '--require-request-id [true|false]',
    variable: 'ORDERS_REQUIRE_REQUEST_ID',
    default: 'false',
    help: 'refuse requests without a request_id (idempotency key) instead of creating one',
    parse: trimmed(parseBoolean),
  },
  autoCreateStores: {
    flag: '--auto-create-stores [true|false]',
    variable: 'ORDERS_AUTO_CREATE_STORES',
    default: 'true',
    help: 'create a store at its first allocation; if false, an unknown store is NOT_FOUND',
    parse: trimmed(parseBoolean),
  },
  drainTimeoutMs: {
    flag: '--drain-timeout-ms <ms>',
    variable: 'ORDERS_DRAIN_TIMEOUT_MS',
    default: '10000',
    help: 'how long a stopping server keeps working on accepted requests',
    parse: trimmed(wholeNumber(0, 600_000)),
  },
  httpHosts: {
    flag: '--http-hosts <names|none>',
    variable: 'ORDERS_HTTP_HOSTS',
    default: 'none',
    help: 'without tokens: further names to accept in the Host header of HTTP requests, such as orders.internal; others are refused',
    parse: trimmed(parseHosts),
  },
  httpOrigins: {
    flag: '--http-origins <origins|none>',
    variable: 'ORDERS_HTTP_ORIGINS',
    default: 'none',
    help: 'origins whose web pages may call over HTTP (CORS), such as https://admin.shop.example',
    parse: trimmed(parseOrigins),
  },
  httpRequestTimeoutMs: {
    flag: '--http-request-timeout-ms <ms>',
    variable: 'ORDERS_HTTP_REQUEST_TIMEOUT_MS',
    default: '10000',
    help: 'how long an HTTP request may wait for its number; after that it gets 503 with Retry-After and its Idempotency-Key',
    parse: trimmed(wholeNumber(1, 600_000)),
  },
  httpIdleTimeoutMs: {
    flag: '--http-idle-timeout-ms <ms>',
    variable: 'ORDERS_HTTP_IDLE_TIMEOUT_MS',
    default: '75000',
    help: 'how long an idle HTTP connection stays open; set it above the idle timeout of your load balancer',
    parse: trimmed(wholeNumber(1, 86_400_000)),
  },
  tokens: {
    flag: '--tokens <file|off>',
    variable: 'ORDERS_TOKENS',
    default: 'off',
    help: 'the token file, which order-numbers token create writes: every call then needs a token from it; read again when it changes',
    parse: trimmed(parseTokensPath),
  },
  logLevel: {
    flag: '--log-level <level>',
    variable: 'ORDERS_LOG_LEVEL',
    default: 'info',
    help: `the lowest level that is logged: ${LOG_LEVELS.join(', ')}`,
    parse: trimmed(parseLogLevel),
  },
  otlp: {
    flag: '--otlp <url|off>',
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: 'off',
    help: 'send traces to this OpenTelemetry collector, by OTLP over HTTP (port 4318); needs extra packages',
    parse: trimmed(parseCollectorUrl),
  },
};

function parseFileOrOff(text: string): string {
  // A value that looks like a flag means that the path is missing.
  if (text !== '' && !text.startsWith('-') && !QUOTED.test(text)) return text;
  throw new Error('Use the path of a PEM file, such as /etc/orders/tls.crt, without quotes, or off.');
}
