import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { requireTools } from '../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

/** As in the shops' scripts, except for the port, so that no other server interferes. */
const CURL = `curl --location --request POST 'http://localhost:3000/api/generateOrderNumber' --header 'Content-Type: application/json' --data-raw '{"store_id": 32913}'`;

it('the original sample’s own curl command: the pair comes byte for byte', async (test) => {
  requireTools(test, 'curl');
  const { http } = await new ServerProcess(join(testFolder(), 'orders.db'), { http: true }).line('serving');
  const shell = async (command: string) =>
    (await promisify(execFile)('sh', ['-c', command.replace('localhost:3000', String(http))])).stdout;
  expect(await shell(CURL)).toBe('{"OrderID":1,"OrderNumber":100,"StoreID":32913}');
  expect(await shell(CURL)).toBe('{"OrderID":2,"OrderNumber":101,"StoreID":32913}');
  expect(await shell(CURL.replace('32913', '"x"'))).toMatch(/^\{"message":"Malformed Request",/);
});
