import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { withoutSecrets } from '../../../src/cli/run/without-secrets.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';
import { testFolder } from '../../support/processes/server-process.ts';

/** Mistakes for a path or a URL, each with the password `s3cret`. */
const VALUES = [
  '"postgres://orders:s3cret@db1/orders"',
  "'postgres://orders:s3cret@db1/orders'",
  ' postgres://orders:s3cret@db1/orders',
  'postgres://orders:s3cret@db1',
  'postgres://orders:s3cret',
  'postgres://orders:s3cret/orders',
  'postgres://orders:s3cret?sslmode=require',
  'postgres://orders:4s3cret@db1:x/orders',
  "postgres://orders:it's s3cret@db1/orders?x",
  'postgres://orders:s3cret@1@db1/orders',
  'postgres://orders:1@s3cret@db1/orders',
  'postgres://orders:s3cret/1@db1/orders',
  'postgres://orders:x s3cret@db1/orders',
  'postgres://a:s3cret@db1/orders,postgres://b:s3cret@db2/orders',
  'postgres:orders:s3cret@db1/orders',
  'postgres//orders:s3cret@db1/orders',
  'orders:s3cret@db1/orders',
  'mysql://orders:s3cret@db1/orders',
  'jdbc:postgresql://db1/orders?user=orders&password=s3cret&ssl=true',
  'jdbc:oracle:thin:orders/s3cret@db1',
  'postgres://db1/orders?password=s3cret',
  'postgres://db1/orders?sslpassword=s3cret',
  "host=db1 user=orders password='s3 s3cret'",
  'Host=db1;Username=orders;Password=s3cret;Database=orders',
  '${DATABASE_URL:-postgres://orders:s3cret@db1/orders}',
  'DATABASE_URL=postgres://orders:s3cret@db1/orders',
  '{"url":"postgres://orders:s3cret@db1/orders"}',
];

it.each(VALUES)('a refused value is shown without its password: %j', (value) => {
  for (const message of [
    `error: option '--ledger <path|url>' argument '${value}' is invalid. Use postgres://user@host:5432/database.`,
    `error: option '--ledger <path|url>' value '${value}' from env 'ORDERS_LEDGER' is invalid. Use user@host.`,
    `error: command-argument value '${value}' is invalid for argument 'ledger'. Use user@host.`,
    `error: unknown option '--ledgr=${value}'`,
    `error: 'serve' takes options only, and got: ${value}`,
  ]) {
    const said = withoutSecrets(message);
    expect(said).not.toContain('s3cret');
    expect(said.slice(0, 30)).toBe(message.slice(0, 30));
  }
});

it('a refused token is not shown', () => {
  for (const message of [
    "error: option '--token <token>' argument 's3cret x' is invalid. It has a line break.",
    "error: option '--token <token>' value 's3cret x' from env 'ORDERS_TOKEN' is invalid. It has a line break.",
  ]) {
    expect(withoutSecrets(message)).toBe(message.replace('s3cret x', '…'));
  }
});

it('a token in the place of a file is not shown, but a file is', () => {
  for (const [value, shown] of [
    ['ordn_s3cret', 'ordn_…'],
    ['./ordn_s3cret', './ordn_…'],
    ['-v', '-v'],
  ] as const) {
    const message = `error: option '--tokens <file|off>' value '${value}' from env 'ORDERS_TOKENS' is invalid. Use a path.`;
    expect(withoutSecrets(message)).toBe(message.replace(value, shown));
  }
  expect(withoutSecrets("error: unknown option '--token=s3cret'")).toBe("error: unknown option '--token=…");
});

it('text that is not a password is shown, and so is the remedy', () => {
  for (const value of ['mysql://orders@db1/orders', 'postgres://db1:5432', 'jdbc:postgresql://db1/orders', '~/x.db']) {
    const message = `error: option '--ledger <path|url>' argument '${value}' is invalid. Use postgres://user@host:5432/d.`;
    expect(withoutSecrets(message)).toBe(message);
  }
});

const COMMANDS: readonly (readonly string[])[] = [
  ['serve', '--ledger'],
  ['serve', '--ledger=postgres://db1/orders', '--ledger-read'],
  ['backup', 'x.db', '--ledger'],
  ['restore', '--from'],
  ['restore', '--from', 'x.db', '--ledger'],
  ['import', '--csv', 'x.csv', '--next-order-id', '5', '--ledger'],
  ['migrate', '--to', 'postgres://db1/orders', '--from'],
  ['migrate', '--to'],
  ['verify'],
  ['backup'],
];

it('no command accepts as a path what is not one: one line, exit code 2, no password, no file', async () => {
  const cwd = testFolder();
  const results = await Promise.all([
    ...COMMANDS.map((args) => orderNumbers([...args, VALUES[0]!], { cwd })),
    orderNumbers(['serve'], { cwd, env: { ORDERS_LEDGER: VALUES[0]! } }),
    orderNumbers(['backup', 'x.db'], { cwd, env: { ORDERS_LEDGER: 'file:./s3cret.db\r' } }),
  ]);
  for (const { exitCode, stdout, stderr } of results) {
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^error: [^\n\r]+ {2}\(see --help\)\n$/);
    expect(stderr.replace('file:./s3cret', '')).not.toContain('s3cret');
  }
  expect(readdirSync(cwd)).toEqual([]);
});
