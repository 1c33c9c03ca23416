import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../../../support/processes/server-process.ts';

const ROOT = new URL('../../../..', import.meta.url).pathname;
const CLONED = ['proto', 'third_party', 'buf.yaml', 'buf.gen.yaml'];
const OPTIONS = {
  csharpNamespace: 'Orders.V1',
  goPackage: expect.stringMatching(/\/orders\/v1;ordersv1$/) as string,
  javaMultipleFiles: true,
  javaPackage: 'com.orders.v1',
  phpNamespace: 'Orders\\V1',
};

it('code generated from a clone without an install has orders.v1 with a package in each language, and nothing else', () => {
  const clone = testFolder();
  for (const name of CLONED) cpSync(join(ROOT, name), join(clone, name), { recursive: true });
  const image = execFileSync(join(ROOT, 'node_modules/.bin/buf'), ['build', 'proto', '--output', '-#format=json'], {
    cwd: clone,
    encoding: 'utf8',
  });
  const { file } = JSON.parse(image) as {
    file: { name: string; options: { goPackage?: string }; bufExtension: { isImport?: boolean } }[];
  };
  const generated = file.filter(({ bufExtension }) => !bufExtension.isImport);
  expect(generated).toMatchObject([{ name: 'orders/v1/orders.proto', options: OPTIONS }]);
  const imported = file.filter(({ bufExtension }) => bufExtension.isImport).map(({ name }) => name);
  expect(imported.filter((name) => !name.startsWith('google/protobuf/'))).toEqual(['google/rpc/status.proto']);
  // A second copy of google.rpc in one Go program panics, so generated code has to use the one that Go has.
  expect(file.find(({ name }) => name === 'google/rpc/status.proto')?.options.goPackage).toBe(
    'google.golang.org/genproto/googleapis/rpc/status;status',
  );
});
