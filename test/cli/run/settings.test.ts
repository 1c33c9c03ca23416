import { expect, it, onTestFinished } from 'vitest';
import { DEFAULT_ADDRESS } from '../../../src/client/connection/address.ts';
import type { ServeSettings } from '../../../src/server/settings.ts';
import { SERVE_SETTINGS } from '../../../src/server/settings.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';

/** A value that each setting must refuse, and a part of the remedy it must name. */
const BAD: { readonly [K in keyof ServeSettings]: { readonly value: string; readonly remedy: string } } = {
  grpcListen: { value: '127.0.0.1', remedy: 'Use host:port, such as 127.0.0.1:50051' },
  httpListen: { value: 'on', remedy: 'Use host:port, such as 127.0.0.1:3000 or [::1]:3000, or off.' },
  metricsListen: { value: '9464', remedy: 'Use host:port, such as 127.0.0.1:3000 or [::1]:3000, or off.' },
  ledger: { value: 'mysql://localhost/orders', remedy: 'Use the path of an SQLite file' },
  ledgerRead: { value: 'data/orders.db', remedy: 'Use postgres://user@host:5432/database' },
  create: { value: 'yes', remedy: 'Use true or false.' },
  expectLedgerId: { value: 'orders', remedy: 'Use a ledger_id, such as' },
  tlsCert: { value: '"tls.crt"', remedy: 'Use the path of a PEM file' },
  tlsKey: { value: '-v', remedy: 'Use the path of a PEM file' },
  tlsClientCa: { value: '--tokens', remedy: 'Use the path of a PEM file' },
  metricsSecure: { value: 'on', remedy: 'Use true or false.' },
  maxBatch: { value: '10001', remedy: 'Use a whole number from 1 to 10000.' },
  maxQueue: { value: '1.5', remedy: 'Use a whole number from 1 to 1000000.' },
  maxQueueShare: { value: '50%', remedy: 'Use a number above 0 and up to 1, such as 0.5.' },
  requireRequestId: { value: 'maybe', remedy: 'Use true or false.' },
  autoCreateStores: { value: 'no', remedy: 'Use true or false.' },
  drainTimeoutMs: { value: '10s', remedy: 'Use a whole number from 0 to 600000.' },
  httpHosts: { value: 'http://orders', remedy: 'Use host names without a port' },
  httpOrigins: { value: '*', remedy: 'Use origins as a browser sends them' },
  httpRequestTimeoutMs: { value: '0', remedy: 'Use a whole number from 1 to 600000.' },
  httpIdleTimeoutMs: { value: '600s', remedy: 'Use a whole number from 1 to 86400000.' },
  tokens: { value: '-v', remedy: 'Use the path of a token file, such as tokens.json, or off.' },
  logLevel: { value: 'loud', remedy: 'Use one of fatal, error' },
  otlp: { value: 'localhost:4318', remedy: 'Use the URL of an OTLP collector, such as http://localhost:4318' },
};
const NAMES = Object.keys(BAD) as (keyof ServeSettings)[];

it.each(NAMES)('an invalid value of %s prints one line that names flag, value and remedy', async (name) => {
  const { value, remedy } = BAD[name];
  const { flag } = SERVE_SETTINGS[name];
  const { exitCode, stdout, stderr } = await orderNumbers(['serve', `${flag.split(' ')[0]}=${value}`]);
  expect(exitCode).toBe(2);
  expect(stdout).toBe('');
  expect(complaint(stderr)).toEqual(
    `error: option '${flag}' argument '${value}' is invalid. ${startingWith(remedy, stderr)}`,
  );
});

it.each(NAMES)(
  'an invalid value of the variable of %s prints one line that names it, its flag, value and remedy',
  async (name) => {
    const { value, remedy } = BAD[name];
    const { flag, variable } = SERVE_SETTINGS[name];
    const { exitCode, stdout, stderr } = await orderNumbers(['serve'], { env: { [variable]: value } });
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(complaint(stderr)).toEqual(
      `error: option '${flag}' value '${value}' from env '${variable}' is invalid. ${startingWith(remedy, stderr)}`,
    );
  },
);

it('a wrong flag, command or argument is named, and the exit code is 2', async () => {
  const wrong = [
    { args: ['serve', '--port', '1'], named: "unknown option '--port'" },
    { args: ['sevre'], named: "unknown command 'sevre'" },
    { args: ['serve', 'orders.db'], named: "'serve' takes options only, and got: orders.db" },
    {
      args: ['serve', '--ledger', 'x.db', '--ledger-read', 'postgres://h/db'],
      named: '--ledger is x.db: omit it',
    },
    { args: ['verify', 'mysql://h/db'], named: "argument value 'mysql://h/db' is invalid" },
    { args: ['verify', 'postgres://h'], named: 'Use postgres://user@host:5432/database' },
    { args: ['backup', '--ledger', 'postgres://h/db', 'x.db'], named: 'such as pg_basebackup' },
    { args: ['serve', '--max-batch'], named: "'--max-batch <requests>' argument missing" },
  ];
  const results = await Promise.all(wrong.map(({ args }) => orderNumbers(args)));
  for (const [i, { exitCode, stdout, stderr }] of results.entries()) {
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.split('\n')[0]).toContain(wrong[i]!.named);
  }
});

it('running without a command shows the help as wrong usage; requested help succeeds', async () => {
  const [none, asked, askedServe] = await Promise.all([
    orderNumbers([]),
    orderNumbers(['--help']),
    orderNumbers(['serve', '--help']),
  ]);
  expect(none).toMatchObject({ exitCode: 2, stdout: '', stderr: expect.stringContaining('Usage: order-numbers') });
  expect(asked).toMatchObject({ exitCode: 0, stderr: '', stdout: expect.stringContaining('serve') });
  expect(askedServe).toMatchObject({ exitCode: 0, stderr: '' });
  for (const { flag, variable, default: value } of Object.values(SERVE_SETTINGS)) {
    expect(askedServe.stdout).toContain(flag);
    // Wrapped to the width of the terminal.
    expect(askedServe.stdout.replace(/\s+/g, ' ')).toMatch(new RegExp(`default: ${value},.* env: ${variable}\\)`));
  }
});

it.each(ENGINES)('variables work, and the flag takes precedence: $name', async (engine) => {
  const ledger = await engine.newLedger();
  const address = await freeAddress();
  const server = new ServerProcess(ledger, {
    args: ['--grpc-listen', address],
    env: {
      ORDERS_GRPC_LISTEN: 'refused if it were read',
      ORDERS_LEDGER: await engine.newLedger(),
      ORDERS_REQUIRE_REQUEST_ID: 'true',
    },
  });
  expect(await server.line('serving')).toMatchObject({ grpc: address, ledger });
  const client = connect(address);
  onTestFinished(() => client.close());
  await expect(client.allocateOrder({ storeId: 1n, requestId: '' })).rejects.toThrow('requires one in every request');
  expect((await client.allocateOrder({ storeId: 1n, requestId: 'mine' })).allocation).toMatchObject({ orderId: 1n });
});

/** What is wrong, without the line that says how to get help. */
function complaint(stderr: string): string {
  return stderr.replace('Run it with --help to see what there is.', '').trimEnd();
}

/** The rest of the line from the remedy on, which the line must have. */
function startingWith(remedy: string, stderr: string): string {
  const line = stderr.split('\n')[0]!;
  expect(line).toContain(remedy);
  return line.slice(line.indexOf(remedy));
}

it('a command connects to where a server listens, both by default', () => {
  expect(DEFAULT_ADDRESS).toBe(SERVE_SETTINGS.grpcListen.default);
});
