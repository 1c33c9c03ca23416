import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeEach } from 'vitest';
import { CREDENTIALS } from '../../support/dynamodb/dynalite.ts';
import { testLedger } from '../../support/dynamodb/test-ledger.ts';
import { engineSuite } from '../../support/engines/engine-suite.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { requireTools, toolPath } from '../../support/required-tool.ts';

let endpoint: Promise<string> | undefined;
let moto: ChildProcess | undefined;
let tables = 0;

beforeEach((test) => requireTools(test, 'moto_server'));
afterAll(() => void moto?.kill());

/** A second implementation, by other people. */
engineSuite("DynamoDB, as Moto's server has it", (autoCreateStores) => testLedger(newTableUrl, autoCreateStores));

async function newTableUrl(): Promise<string> {
  Object.assign(process.env, CREDENTIALS);
  endpoint ??= startMoto();
  return `dynamodb://orders-${++tables}?region=eu-central-1&endpoint=${await endpoint}`;
}

async function startMoto(): Promise<string> {
  const address = await freeAddress();
  const [host = '', port = ''] = address.split(':');
  const child = spawn(toolPath('moto_server'), ['--host', host, '--port', port], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  moto = child;
  // It writes where it listens once it does.
  await once(child.stderr, 'data');
  child.stderr.resume();
  return `http://${address}`;
}
