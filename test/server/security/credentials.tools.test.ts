import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { newToken } from '../../../src/server/security/token-text.ts';
import type { Command } from '../../support/required-tool.ts';
import { requireTools, toolPath } from '../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';

const ALLOCATE_ORDER = 'orders.v1.OrderNumberService/AllocateOrder';
const MB = 1024 * 1024;
const run = promisify(execFile);

it('grpcurl lists, describes and calls with a token, and says what is missing without one', async (test) => {
  requireTools(test, 'grpcurl');
  const { address, token } = await serve();
  const bearer = ['-H', `authorization: Bearer ${token}`];
  expect(await grpcurl(...bearer, address, 'list')).toContain('orders.v1.OrderNumberService\n');
  expect(await grpcurl(...bearer, address, 'describe', 'orders.v1.Allocation')).toContain('string caller');
  const order = ['-d', '{"store_id": 7}', address, ALLOCATE_ORDER];
  expect(await grpcurl(...bearer, ...order)).toContain('"caller": "shop"');
  expect(await grpcurl(address, 'grpc.health.v1.Health/Check')).toMatch(/Unauthenticated|the call has no token/);
  for (const ask of [[address, 'list'], order]) {
    expect(await grpcurl(...ask)).toContain('the call has no token; send authorization: Bearer <token>');
    expect(await grpcurl('-H', `authorization: Bearer ${newToken()}`, ...ask)).toContain(
      'the token is unknown to this server',
    );
  }
  const foreign = await grpcurl(...bearer, '-d', '{"store_id": 8}', address, ALLOCATE_ORDER);
  expect(foreign).toMatch(/Code: PermissionDenied\s+Message: shop has no access to store 8/);
});

it('curl shows what it is refused for, also after a large body', async (test) => {
  requireTools(test, 'curl');
  const { http, token } = await serve();
  const url = `http://${http}/api/generateOrderNumber`;
  const body = join(testFolder(), 'body');
  writeFileSync(body, 'x'.repeat(MB));
  const curl = (...args: string[]) =>
    outputOf('curl', '-sS', '-i', '-H', 'Content-Type: application/json', ...args, url);
  const bearer = ['-H', `Authorization: Bearer ${token}`];
  expect(await curl(...bearer, '-d', '{"store_id": 7}')).toContain('{"OrderID":1,"OrderNumber":100,"StoreID":7}');
  expect(await curl(...bearer, '-d', '{"store_id": 8}')).toMatch(/403 Forbidden[^]*"reason":"STORE_FORBIDDEN"/);
  const refusals: string[] = [];
  for (let i = 0; i < 40; i++) {
    refusals.push(await curl('-H', `Authorization: Bearer ${newToken()}`, '--data-binary', `@${body}`));
    expect(refusals[i]).toMatch(/401 Unauthorized[^]*www-authenticate: Bearer[^]*"reason":"TOKEN_INVALID"/);
  }
  // Beyond the limit of an address, too, where each connection ends.
  expect(refusals.some((answer) => answer.includes('connection: close'))).toBe(true);
  expect(await curl(...bearer, '-d', '{"store_id": 7}')).toContain('{"OrderID":2,');
});

async function serve() {
  const tokens = join(testFolder(), 'tokens.json');
  const token = newToken();
  writeTokens(tokens, entryOf(token, { name: 'shop', stores: ['7'], verbs: ['allocate'] }));
  const server = new ServerProcess(join(testFolder(), 'orders.db'), { http: true, args: ['--tokens', tokens] });
  const { grpc, http } = await server.line('serving');
  return { address: String(grpc), http: String(http), token };
}

function grpcurl(...args: string[]): Promise<string> {
  return outputOf('grpcurl', '-plaintext', ...args);
}

/** What it prints, whether or not it succeeds. */
async function outputOf(tool: Command, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(toolPath(tool), args);
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    return stdout + stderr;
  }
}
