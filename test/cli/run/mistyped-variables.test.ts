import { expect, it } from 'vitest';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { mistypedVariables } from '../../../src/cli/run/mistyped-variables.ts';
import { SERVE_SETTINGS } from '../../../src/server/settings.ts';

function warnings(...names: string[]): string[] {
  return mistypedVariables(Object.fromEntries(names.map((name) => [name, 's3cret'])));
}

it.each([
  ['ORDERS_LEDGR', 'ORDERS_LEDGER'],
  ['ORDERS_LEDGERS', 'ORDERS_LEDGER'],
  ['ORDERS_LEDGER_PATH', 'ORDERS_LEDGER'],
  ['ORDERS_GRPC_LISTENER', 'ORDERS_GRPC_LISTEN'],
  ['ORDERS_HTTP_PORT', 'ORDERS_HTTP_LISTEN'],
  ['ORDERS_EXPECTED_LEDGER_ID', 'ORDERS_EXPECT_LEDGER_ID'],
  ['ORDERS_SERVR', 'ORDERS_SERVER'],
  ['ORDER_LEDGER', 'ORDERS_LEDGER'],
  ['orders_ledger', 'ORDERS_LEDGER'],
])('%s is not a setting, and %s is suggested', (name, meant) => {
  expect(warnings(name)).toEqual([`the variable ${name} is not a setting: did you mean ${meant}?`]);
});

it.each(['ORDERS_TOKEN_FILE', 'ORDERS_TOKENS_FILE', 'ORDERS_TOKNS', 'ORDER_TOKEN'])(
  '%s may mean the file of a server or the token of a client',
  (name) => {
    expect(warnings(name)).toEqual([
      `the variable ${name} is not a setting: did you mean ORDERS_TOKENS, the token file of a server, or ORDERS_TOKEN, ` +
        'the token of a client?',
    ]);
  },
);

it('an unknown name without a similar one is reported alone', () => {
  expect(warnings('ORDERS_FAVOURITE_COLOUR_OF_THE_DATABASE')).toEqual([
    'the variable ORDERS_FAVOURITE_COLOUR_OF_THE_DATABASE is not a setting; serve --help lists the settings',
  ]);
});

it('settings, variables of Kubernetes and foreign variables cause no warning', () => {
  const ours = Object.values(SERVE_SETTINGS).map(({ variable }) => variable);
  const clients = ['ORDERS_SERVER', 'ORDERS_TOKEN', 'ORDERS_TIMEOUT_MS', 'ORDERS_CLIENT_TLS', 'ORDERS_CLIENT_TLS_KEY'];
  const kubernetes = [
    'ORDERS_SERVICE_HOST',
    'ORDERS_SERVICE_PORT_GRPC',
    'ORDERS_PORT',
    'ORDERS_PORT_50051_TCP_ADDR',
    'ORDERS_DB_SERVICE_HOST',
    'ORDERS_DB_PORT_5432_TCP',
  ];
  expect(warnings(...ours, ...clients, ...kubernetes, 'ORDER', 'ORDER_DATE', 'PATH', 'MY_ORDERS_LEDGER')).toEqual([]);
});

it('an operator command warns on standard error and continues', async () => {
  const env = { ORDERS_LEDGR: '/var/lib/s3cret.db' };
  const { exitCode, stderr } = await orderNumbers(['backup', '/nowhere/x.db', '--ledger', '/nowhere/o.db'], { env });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /^warning: the variable ORDERS_LEDGR is not a setting: did you mean ORDERS_LEDGER\?\nerror: [^\n]+\n$/,
  );
  expect(stderr).not.toContain('s3cret');
});

it.each<[args: string, env: Readonly<Record<string, string>>, refusal: RegExp]>([
  ['serve', { ORDERS_MAX_BATCH: 'many' }, /^error: option '--max-batch <requests>' value 'many' from env/],
  ['serve --ledger /nowhere/orders.db', {}, /^error: the folder \/nowhere of the ledger does not exist/],
  ['backup', { ORDERS_LEDGER: 'postgres://h/d' }, /^error: option '--ledger <path>' value/],
  ['import --yes', {}, /^error: give one source to import/],
])('a mistyped variable is named although the settings are refused: %s %j', async (args, env, refusal) => {
  const { exitCode, stdout, stderr } = await orderNumbers(args.split(' '), {
    env: { ...env, ORDERS_LEDGR: 'x.db' },
  });
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  const [warning, error, end] = stderr.split('\n');
  expect(warning).toBe('warning: the variable ORDERS_LEDGR is not a setting: did you mean ORDERS_LEDGER?');
  expect(error).toMatch(refusal);
  expect(end).toBe('');
});

it('help texts and refusals of client commands name no server variables', async () => {
  const env = { ORDERS_LEDGR: 'x.db' };
  expect(await orderNumbers(['serve', '--help'], { env })).toMatchObject({ exitCode: 0, stderr: '' });
  const { stderr } = await orderNumbers(['get'], { env });
  expect(stderr).toMatch(/^error: give one key to look up[^\n]+\n$/);
});
