import { ServerCredentials } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { SERVER_CERTIFICATE } from '../../support/network/certificates.ts';
import { fakeAllocation, fakeOrdersServer } from '../../support/clients/fake-orders-server.ts';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';

const COMMANDS = [
  ['allocate'],
  ['get'],
  ['list'],
  ['watch'],
  ['stores', 'create'],
  ['stores', 'get'],
  ['stores', 'list'],
  ['stores', 'update'],
  ['verify'],
  ['health'],
];
const VARIABLES = [
  'ORDERS_SERVER',
  'ORDERS_TOKEN',
  'ORDERS_CLIENT_TLS',
  'ORDERS_CLIENT_TLS_CA',
  'ORDERS_CLIENT_TLS_CERT',
  'ORDERS_CLIENT_TLS_KEY',
  'ORDERS_TIMEOUT_MS',
];

it.each(COMMANDS.map((command) => command.join(' ')))(
  '%s has a help text with every variable and an example',
  async (name) => {
    const { exitCode, stdout, stderr } = await orderNumbers([...name.split(' '), '--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    // A watch has no end, a verification takes as long as its ledger, and a health check has a limit of its own.
    const isLimited = !['watch', 'verify', 'health'].includes(name);
    const taken = VARIABLES.filter((variable) => isLimited || variable !== 'ORDERS_TIMEOUT_MS');
    expect(VARIABLES.filter((variable) => stdout.includes(`${variable})`))).toEqual(taken);
    expect(stdout).toMatch(new RegExp(`Examples?:\n  order-numbers ${name}`));
  },
);

it.each(['', '1.5', '1e3', '0x10', '-1', '0', ' 7', '7 ', '٧', '9223372036854775808', '9'.repeat(41)])(
  'the number %j is refused with its flag and the remedy',
  async (value) => {
    const { exitCode, stdout, stderr } = await orderNumbers(['allocate', `--store=${value}`]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe(
      `error: option '--store <id>' argument '${value}' is invalid. ` +
        'Use a whole number from 1 to 9223372036854775807, in digits.  (see --help)\n',
    );
  },
);

it.each([
  { args: 'allocate', named: "'--store <id>' not specified" },
  { args: 'allocate --stor 7', named: "unknown option '--stor' (Did you mean --store?)" },
  { args: 'allocate --request-idd x', named: "unknown option '--request-idd' (Did you mean --request-id?)" },
  { args: 'stores create --prefx W', named: "unknown option '--prefx' (Did you mean --prefix?)" },
  { args: 'restore --form x.db', named: "unknown option '--form' (Did you mean --from?)" },
  { args: 'declare-loss postgres://h/d --above 5', named: "unknown option '--above'" },
  { args: 'allocate --store 7 --count 0', named: 'Use a whole number from 1 to 2147483647' },
  { args: 'allocate --store 7 --request-id=', named: 'Use 1 to 128 printable ASCII characters' },
  { args: 'allocate --store 7 8', named: "'allocate' takes options only (required: --store <id>), and got: 8" },
  { args: 'stores get 99', named: "'stores get' takes options only (required: --store <id>), and got: 99" },
  { args: 'allocate --stor 7 8', named: "unknown option '--stor' (Did you mean --store?)" },
  { args: 'get', named: 'give one key to look up' },
  { args: 'get --store 7', named: 'give one key to look up' },
  { args: 'get --order-number 7', named: 'each store can have an order_number 7: add --store <id>' },
  { args: 'get --request-id x', named: 'each store has request ids of its own: add --store <id>' },
  { args: 'get --order-id 7 --store 7', named: 'give one key to look up' },
  { args: 'get --order-id 7 --order-number 7', named: 'give one key to look up' },
  { args: 'get --store 7 --order-number 7 --request-id x', named: 'give one key to look up' },
  { args: 'list --limit 0', named: 'Use a whole number of at least 1, in digits, or all' },
  { args: 'list --last 20 --limit 5', named: "cannot be used with option '--l" },
  { args: 'list --before 0', named: 'Use a whole number from 1 to' },
  { args: 'list --csv --json', named: "'--csv' cannot be used with option '--json'" },
  { args: 'list --output xml', named: "argument 'xml' is invalid. Allowed choices are table, json, csv." },
  { args: 'verify --output csv', named: "argument 'csv' is invalid. Allowed choices are table, json." },
  { args: 'stores list --json --output csv', named: "'--json' cannot be used with option '--output <form>'" },
  { args: 'get --order-id 1 --csv --output table', named: "'--csv' cannot be used with option '--output <form>'" },
  { args: 'watch --after -1', named: 'Use 0 for all' },
  { args: 'watch --timeout-ms 5', named: "unknown option '--timeout-ms'" },
  { args: 'verify --timeout-ms 5', named: "unknown option '--timeout-ms'" },
  { args: 'stores create', named: "'--store <id>' not specified" },
  { args: 'stores update --store 7', named: 'nothing to change: give' },
  { args: 'stores update --store 7 --min-digits 20', named: 'Use a whole number from 0 to 19' },
  { args: 'stores delete --store 7', named: "unknown command 'delete'" },
  { args: 'verify orders.db --server 127.0.0.1:1', named: 'two ledgers' },
  { args: 'verify a b', named: "'verify' takes 1 argument, and got: a b" },
  { args: 'list --server http://localhost', named: 'It is a URL: use localhost:50051.' },
  { args: 'list --server https://orders:443', named: 'It is a URL: use orders:443 and --tls.' },
  { args: 'list --server 127.0.0.1:0', named: 'Use host or host:port' },
  { args: 'list --timeout-ms 1s', named: 'Use a whole number from 1 to' },
  { args: 'list --tls maybe', named: 'Use true or false' },
  { args: 'list --tls-cert a.pem', named: '--tls-cert and --tls-key go together' },
  { args: 'list --tls false --tls-ca a.pem', named: '--tls-ca needs TLS' },
  { args: 'list --tls-ca /nowhere/ca.pem', named: 'cannot read the file of --tls-ca (ENOENT: no such file' },
  { args: 'list --tls-ca package.json', named: 'package.json, is not PEM' },
])('wrong usage: $args', async ({ args, named }) => {
  const { exitCode, stdout, stderr } = await orderNumbers(args.split(' '));
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toMatch(/^error: [^\n]+\(see --help\)\n$/);
  expect(stderr).toContain(named);
});

it('an invalid variable is named; a flag overrides a valid one', async () => {
  const env = { ORDERS_TIMEOUT_MS: 'soon' };
  const bad = await orderNumbers(['list'], { env });
  expect(bad).toMatchObject({
    exitCode: 2,
    stdout: '',
    stderr: expect.stringContaining("from env 'ORDERS_TIMEOUT_MS'"),
  });
  const tokens: unknown[] = [];
  const server = await fakeOrdersServer({
    getAllocation(_, metadata) {
      tokens.push(...metadata.get('authorization'));
      return { allocation: fakeAllocation() };
    },
  });
  // As an env file with the line ends of Windows leaves them.
  const variables = {
    ORDERS_SERVER: `${server}\r`,
    ORDERS_TOKEN: ' from-variable\r',
    ORDERS_CLIENT_TLS: 'false\r',
    ORDERS_TIMEOUT_MS: '20000 \r\n',
  };
  for (const more of [[], ['--token', 'from-flag']]) {
    const { exitCode } = await orderNumbers(['get', '--order-id', '1', ...more], { env: variables });
    expect(exitCode).toBe(0);
  }
  expect(tokens).toEqual(['Bearer from-variable', 'Bearer from-flag']);
});

it('supports TLS with a custom CA, and mutual TLS', async () => {
  const { cert, key, certFile, keyFile } = SERVER_CERTIFICATE;
  const server = await fakeOrdersServer(
    { getAllocation: () => ({ allocation: fakeAllocation() }) },
    ServerCredentials.createSsl(cert, [{ private_key: key, cert_chain: cert }], true),
  );
  // grpc-js cannot speak TLS to an address without a name.
  const name = server.replace('127.0.0.1', 'localhost');
  const args = ['get', '--order-id', '1', '--json', '--timeout-ms', '5000', '--server', name, '--tls-ca', certFile];
  const mutual = await orderNumbers(args, {
    env: { ORDERS_CLIENT_TLS_CERT: certFile, ORDERS_CLIENT_TLS_KEY: keyFile },
  });
  expect(mutual).toMatchObject({ exitCode: 0, stderr: '' });
  expect(JSON.parse(mutual.stdout)).toMatchObject({ requestId: 'cart-1' });
  expect((await orderNumbers([...args, '--timeout-ms', '500'])).exitCode).toBe(1);
});
