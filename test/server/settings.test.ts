import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Address } from '../../src/server/address.ts';
import { formatAddress, isLoopback } from '../../src/server/address.ts';
import type { ServeSettings } from '../../src/server/settings.ts';
import { SERVE_SETTINGS } from '../../src/server/settings.ts';
import { parseLedgerPath } from '../../src/engines/location.ts';
import { testFolder } from '../support/processes/server-process.ts';

/** The contract's table, for those settings that exist. */
const TABLE: {
  readonly [K in keyof ServeSettings]: readonly [flag: string, variable: string, value: ServeSettings[K]];
} = {
  grpcListen: ['--grpc-listen', 'ORDERS_GRPC_LISTEN', { host: '127.0.0.1', port: 50051 }],
  httpListen: ['--http-listen', 'ORDERS_HTTP_LISTEN', { host: '127.0.0.1', port: 3000 }],
  metricsListen: ['--metrics-listen', 'ORDERS_METRICS_LISTEN', { host: '127.0.0.1', port: 9464 }],
  ledger: ['--ledger', 'ORDERS_LEDGER', 'data/orders.db'],
  ledgerRead: ['--ledger-read', 'ORDERS_LEDGER_READ', 'off'],
  create: ['--create', 'ORDERS_CREATE', true],
  expectLedgerId: ['--expect-ledger-id', 'ORDERS_EXPECT_LEDGER_ID', 'none'],
  tlsCert: ['--tls-cert', 'ORDERS_TLS_CERT', 'off'],
  tlsKey: ['--tls-key', 'ORDERS_TLS_KEY', 'off'],
  tlsClientCa: ['--tls-client-ca', 'ORDERS_TLS_CLIENT_CA', 'off'],
  metricsSecure: ['--metrics-secure', 'ORDERS_METRICS_SECURE', false],
  maxBatch: ['--max-batch', 'ORDERS_MAX_BATCH', 1000],
  maxQueue: ['--max-queue', 'ORDERS_MAX_QUEUE', 10_000],
  maxQueueShare: ['--max-queue-share', 'ORDERS_MAX_QUEUE_SHARE', 0.5],
  requireRequestId: ['--require-request-id', 'ORDERS_REQUIRE_REQUEST_ID', false],
  autoCreateStores: ['--auto-create-stores', 'ORDERS_AUTO_CREATE_STORES', true],
  drainTimeoutMs: ['--drain-timeout-ms', 'ORDERS_DRAIN_TIMEOUT_MS', 10_000],
  httpHosts: ['--http-hosts', 'ORDERS_HTTP_HOSTS', []],
  httpOrigins: ['--http-origins', 'ORDERS_HTTP_ORIGINS', []],
  httpRequestTimeoutMs: ['--http-request-timeout-ms', 'ORDERS_HTTP_REQUEST_TIMEOUT_MS', 10_000],
  httpIdleTimeoutMs: ['--http-idle-timeout-ms', 'ORDERS_HTTP_IDLE_TIMEOUT_MS', 75_000],
  tokens: ['--tokens', 'ORDERS_TOKENS', 'off'],
  logLevel: ['--log-level', 'ORDERS_LOG_LEVEL', 'info'],
  otlp: ['--otlp', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'off'],
};
/** The name that every program with OpenTelemetry has for it. */
const STANDARD_VARIABLE = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const NAMES = Object.keys(TABLE) as (keyof ServeSettings)[];

interface Samples<Value> {
  readonly good: readonly (readonly [text: string, value: Value])[];
  readonly bad: readonly string[];
  /** The remedy that the refusal names. */
  readonly remedy: string;
}

const WHOLE_NUMBERS_NOT = ['', ' ', '-1', '1.5', '1e3', '0x10', '1_000', 'ten', 'NaN', 'Infinity', '٣', '+1'];

/** Mistakes for a path seen in the field: each would be a new ledger that numbers from 1. */
const NO_PATHS = [
  '"postgres://orders:secret@db1/orders"',
  "'data/orders.db'",
  '`pwd`/orders.db',
  '“data/orders.db”',
  'jdbc:postgresql://db1/orders',
  'file:./data/orders.db',
  'sqlite:orders.db',
  'sqlite3:///orders.db',
  'db1:5432/orders',
  'postgres:orders',
  'orders:secret@db1/orders',
  'host=db1 dbname=orders password=secret',
  'ORDERS_LEDGER=data/orders.db',
  '~/orders.db',
  '~orders/orders.db',
  '${ORDERS_DB}',
  '${ORDERS_DB:-data/orders.db}',
  'data/${NAME}.db',
  '$ORDERS_DB',
  '$(pwd)/orders.db',
  '%ORDERS_DB%',
  '{{ .Values.ledger }}',
  ':memory:',
  ':5432/orders',
  ' data/orders.db',
  '\tdata/orders.db',
  '--create=false',
  '-v',
  'data/orders.db\nORDERS_CREATE=false',
  'data/ord\rers.db',
  'data/orders\0.db',
  '\r',
];

const SAMPLES: { readonly [K in keyof ServeSettings]: Samples<ServeSettings[K]> } = {
  grpcListen: {
    good: [
      ['127.0.0.1:50051', { host: '127.0.0.1', port: 50051 }],
      ['localhost:0', { host: 'localhost', port: 0 }],
      ['0.0.0.0:65535', { host: '0.0.0.0', port: 65535 }],
      ['[::1]:6000', { host: '::1', port: 6000 }],
      ['[::]:6000', { host: '::', port: 6000 }],
      ['orders.internal:80', { host: 'orders.internal', port: 80 }],
    ],
    bad: [
      '',
      '50051',
      ':50051',
      '127.0.0.1',
      '127.0.0.1:',
      'a:65536',
      'a:99999',
      'a:-1',
      'a:1.5',
      '::1:6000',
      '[::1]',
      'a b:1',
      'a:1 :1',
      '"a:1',
      "'a':1",
      '${HOST}:1',
      'user@a:1',
      '[]:1',
      'http://a:1',
    ],
    remedy: 'host:port',
  },
  httpListen: addressOrOff(),
  metricsListen: addressOrOff(),
  ledger: {
    good: [
      'data/orders.db',
      '/var/lib/orders/orders.db',
      'orders',
      'a b.db',
      './postgres.db',
      'C:/orders.db',
      'postgres://localhost/orders',
      'postgresql://u:p@a:1,b:2/orders?sslmode=require',
    ].map((path) => [path, path] as const),
    bad: [
      '',
      'MYSQL://localhost',
      'file:///orders.db',
      'sqlite+x://orders',
      'postgres:/orders@db1/orders',
      'postgres//db1/orders',
      'pg:orders',
      ...NO_PATHS,
    ],
    remedy: 'path of an SQLite file',
  },
  ledgerRead: {
    good: ['off', 'postgres://standby/orders'].map((url) => [url, url] as const),
    bad: ['', 'on', 'standby', 'data/orders.db', 'postgres://standby'],
    remedy: 'postgres://user@host:5432/database',
  },
  create: trueOrFalse(),
  expectLedgerId: {
    good: ['none', '0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22'].map((id) => [id, id] as const),
    bad: ['', 'off', '0b0e3f9a', '0B0E3F9A-6C1D-4F0E-9A51-6A3F5C1F7D22', '0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22x'],
    remedy: 'Use a ledger_id',
  },
  tlsCert: pemFileOrOff(),
  tlsKey: pemFileOrOff(),
  tlsClientCa: pemFileOrOff(),
  metricsSecure: trueOrFalse(),
  maxBatch: { good: numbers(1, 1000, 10_000), bad: [...WHOLE_NUMBERS_NOT, '0', '10001'], remedy: 'from 1 to 10000' },
  maxQueue: { good: numbers(1, 1_000_000), bad: [...WHOLE_NUMBERS_NOT, '0', '1000001'], remedy: 'from 1 to 1000000' },
  maxQueueShare: {
    good: (['1', '0.5', '0.50', '0.001', '1.0'] as const).map((text) => [text, Number(text)] as const),
    bad: ['', '0', '0.0', '1.01', '2', '-0.5', '+0.5', '.5', '0,5', '50%', '5e-1', '0x1', 'half', 'NaN', 'Infinity'],
    remedy: 'above 0 and up to 1',
  },
  requireRequestId: trueOrFalse(),
  autoCreateStores: trueOrFalse(),
  drainTimeoutMs: { good: numbers(0, 1, 600_000), bad: [...WHOLE_NUMBERS_NOT, '600001'], remedy: 'from 0 to 600000' },
  httpHosts: {
    good: [
      ['none', []],
      ['orders.internal', ['orders.internal']],
      ['Orders, 10.0.0.5,::1', ['orders', '10.0.0.5', '::1']],
    ],
    bad: ['', ',', 'a,', 'a b', '*', '*.internal', 'orders.internal:3000', 'http://orders', 'orders/', '"orders"', '-'],
    remedy: 'host names without a port',
  },
  httpOrigins: {
    good: [
      ['none', []],
      ['https://shop.example', ['https://shop.example']],
      ['http://localhost:5173, https://a.example', ['http://localhost:5173', 'https://a.example']],
    ],
    bad: ['', '*', 'null', 'shop.example', 'https://shop.example/', 'https://Shop.example', 'https://a:443', 'file://'],
    remedy: 'origins as a browser sends them',
  },
  httpRequestTimeoutMs: {
    good: numbers(1, 10_000, 600_000),
    bad: [...WHOLE_NUMBERS_NOT, '0', '600001'],
    remedy: 'from 1 to 600000',
  },
  httpIdleTimeoutMs: {
    good: numbers(1, 600_000, 86_400_000),
    bad: [...WHOLE_NUMBERS_NOT, '0', '86400001'],
    remedy: 'from 1 to 86400000',
  },
  tokens: {
    good: ['off', 'tokens.json', '/etc/orders/tokens.json', './a b.json'].map((path) => [path, path] as const),
    bad: ['', ' ', '-v', '--create=false', 'ordn_0123', '"ordn_0123"'],
    remedy: 'path of a token file',
  },
  logLevel: {
    good: (['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const).map((level) => [level, level]),
    bad: ['', 'INFO', 'warning', 'verbose', '30'],
    remedy: 'fatal, error, warn, info, debug, trace, silent',
  },
  otlp: {
    good: [
      ['off', 'off'],
      ['', 'off'],
      ['http://localhost:4318', 'http://localhost:4318'],
      ['https://otlp.example.com/team/', 'https://otlp.example.com/team/'],
    ],
    bad: [
      'on',
      'localhost:4318',
      'collector',
      'grpc://a:4317',
      'http://user:secret@a:4318',
      'http://a/?key=1',
      '"http://a"',
    ],
    remedy: 'http://localhost:4318, or off',
  },
};

function addressOrOff(): Samples<Address | 'off'> {
  return {
    good: [
      ['127.0.0.1:3000', { host: '127.0.0.1', port: 3000 }],
      ['[::1]:0', { host: '::1', port: 0 }],
      ['off', 'off'],
    ],
    bad: ['', 'on', 'OFF', 'false', '3000', ':3000', 'a:65536'],
    remedy: 'or off',
  };
}

function pemFileOrOff(): Samples<string | 'off'> {
  return {
    good: [
      ['/etc/orders/tls.crt', '/etc/orders/tls.crt'],
      ['tls.pem', 'tls.pem'],
      ['./-odd', './-odd'],
      ['off', 'off'],
    ],
    bad: ['', '--tls-key', '-', '"/etc/orders/tls.crt"', "'tls.pem'"],
    remedy: 'the path of a PEM file',
  };
}

function trueOrFalse(): Samples<boolean> {
  return {
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['', 'TRUE', 'yes', '1', '0', '"true"', 'tr ue'],
    remedy: 'true or false',
  };
}

describe('settings', () => {
  it('are those of the table', () => {
    expect(Object.keys(SERVE_SETTINGS).toSorted()).toEqual(NAMES.toSorted());
  });

  it.each(NAMES)('%s has the flag, the variable and the default of the table', (name) => {
    const { flag, variable, default: text, parse } = SERVE_SETTINGS[name];
    expect([flag.split(' ')[0], variable, parse(text)]).toEqual(TABLE[name]);
  });

  it.each(NAMES)('%s has a variable named like its flag', (name) => {
    const { flag, variable, help } = SERVE_SETTINGS[name];
    const named = `ORDERS_${flag.split(' ')[0]!.slice(2).replaceAll('-', '_').toUpperCase()}`;
    expect(variable).toBe(name === 'otlp' ? STANDARD_VARIABLE : named);
    expect(help).not.toBe('');
  });

  it.each(NAMES)('%s takes good values', (name) => {
    for (const [text, value] of SAMPLES[name].good) expect(SERVE_SETTINGS[name].parse(text)).toEqual(value);
  });

  it.each(NAMES.flatMap((name) => SAMPLES[name].bad.map((text) => ({ name, text }))))(
    '$name refuses $text and says what a good value is',
    ({ name, text }) => {
      expect(() => SERVE_SETTINGS[name].parse(text)).toThrow(SAMPLES[name].remedy);
    },
  );
});

describe('white space around a value', () => {
  const samples = NAMES.flatMap((name) => SAMPLES[name].good.map(([text, value]) => ({ name, text, value })));

  it.each(samples)('is not part of it, for any setting: $name, $text', ({ name, text, value }) => {
    const { parse } = SERVE_SETTINGS[name];
    for (const behind of ['\r', '\r\n', ' ', '\t', '\u00A0']) expect(parse(`${text}${behind}`)).toEqual(value);
  });

  it.each(samples.filter(({ name }) => name !== 'ledger'))(
    'is not part of it in front either: $name, $text',
    (sample) => {
      const { name, text, value } = sample;
      for (const before of ['\r', ' ', '\uFEFF']) expect(SERVE_SETTINGS[name].parse(`${before}${text}`)).toEqual(value);
    },
  );

  it.each(NAMES)('is refused inside it if it breaks a line: %s', (name) => {
    for (const [text] of SAMPLES[name].good) {
      for (const inside of ['\n', '\r', '\0', '\u001B']) {
        expect(() => SERVE_SETTINGS[name].parse(`${text[0]}${inside}${text.slice(1)}x`)).toThrow(
          /^(The value contains a line|Use )/,
        );
      }
    }
  });
});

describe('the path of a ledger', () => {
  it.each(NO_PATHS)('%j is refused for an SQLite file, too', (text) => {
    expect(() => parseLedgerPath(text)).toThrow('path of an SQLite file');
  });

  it.each(NO_PATHS.filter((text) => !/[\n\r\t\0]/.test(text)))('%j is accepted with ./ before it', (text) => {
    expect(parseLedgerPath(`./${text}`)).toBe(`./${text}`);
    expect(SERVE_SETTINGS.ledger.parse(`./${text}`)).toBe(`./${text}`);
  });

  it.each(['~orders.db', '$orders.db', 'a=b', 'ab:c', "'orders.db'", ' orders.db', '-o.db'])(
    '%j is accepted if a file has exactly that name',
    (name) => {
      const folder = testFolder();
      const before = process.cwd();
      onTestFinished(() => process.chdir(before));
      process.chdir(folder);
      expect(() => parseLedgerPath(name)).toThrow('path of an SQLite file');
      writeFileSync(join(folder, name), '');
      expect(parseLedgerPath(name)).toBe(name);
    },
  );

  it.each(['data/', '/var/lib/orders/', './data/', 'data/.', './..'])('%j is a folder', (path) => {
    expect(() => parseLedgerPath(path)).toThrow('the file name is missing');
    expect(() => SERVE_SETTINGS.ledger.parse(path)).toThrow('the file name is missing');
  });

  it.each(['/var/lib/a=b/orders.db', 'data/a=b.db', 'data/a:b.db', 'C:\\orders.db', 'c:/orders.db', 'ordérs.db'])(
    '%j is valid',
    (path) => {
      expect(parseLedgerPath(path)).toBe(path);
    },
  );
});

describe('addresses', () => {
  it.each(['127.0.0.1', '127.0.0.53', '127.255.255.255', '::1', 'localhost'])('%s is loopback', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    '127.0.0.1.example.org',
    '1127.0.0.1',
    'localhost.example.org',
    '',
  ])('%j is not loopback', (host) => {
    expect(isLoopback(host)).toBe(false);
  });

  it.each(['grpcListen', 'httpListen'] as const)('a port above 65535 in %s is refused with the range', (name) => {
    for (const text of ['a:65536', '[::1]:99999'])
      expect(() => SERVE_SETTINGS[name].parse(text)).toThrow('with a port from 0 to 65535');
  });

  it.each(['127.0.0.1:50051', '[::1]:0', 'orders.internal:80'])('%s is printed as it is typed', (text) => {
    expect(formatAddress(SERVE_SETTINGS.grpcListen.parse(text))).toBe(text);
  });
});

it('only the schema names variables of the environment', () => {
  const root = new URL('../../', import.meta.url).pathname;
  const files = globSync(['src/cli/commands/serve.ts', 'src/server/**/*.ts'], { cwd: root });
  const naming = files.filter((path) => /ORDERS_[A-Z]/.test(readFileSync(join(root, path), 'utf8')));
  expect(naming).toEqual(['src/server/settings.ts']);
});

function numbers(...values: number[]) {
  return values.map((value) => [String(value), value] as const);
}
