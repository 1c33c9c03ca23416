import { expect, it } from 'vitest';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';

/** As if npm had been told to omit optional dependencies. */
const WITHOUT_SDK = `
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve(name, context, next) {
      if (!name.startsWith('@aws-sdk/')) return next(name, context);
      throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' });
    },
  });
`;
const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(WITHOUT_SDK)}` };
const URL = 'dynamodb://orders?region=eu-central-1';
const LISTENERS = ['--grpc-listen', '127.0.0.1:0', '--http-listen', 'off', '--metrics-listen', 'off'];

it.each([
  ['serve', ['serve', '--ledger', URL, ...LISTENERS]],
  ['serve --check', ['serve', '--check', '--ledger', URL, ...LISTENERS]],
  ['verify', ['verify', URL]],
  ['dynamodb reindex', ['dynamodb', 'reindex', URL]],
  ['import', ['import', '--dynamodb', URL, '--ledger', 'dynamodb://other?region=eu-central-1']],
])('%s names the package that is missing', async (_, args) => {
  const { exitCode, stdout, stderr } = await orderNumbers(args, { env });
  expect(exitCode).toBeGreaterThan(0);
  expect(stdout + stderr).toContain(
    'a DynamoDB ledger needs the package @aws-sdk/client-dynamodb, which is not installed: npm install @aws-sdk/client-dynamodb',
  );
});

it('what needs no DynamoDB needs no package of its', async () => {
  expect(await orderNumbers(['dynamodb', 'print-table'], { env })).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await orderNumbers(['completion', 'bash'], { env })).toMatchObject({ exitCode: 0, stderr: '' });
});
