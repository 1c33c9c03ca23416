import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createClient } from '../../../src/client/index.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { refusedProcess } from '../../support/processes/refused-start.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import type { FileEntry } from '../../support/security/tokens.ts';
import { entryOf, replaceFile, writeTokens } from '../../support/security/tokens.ts';
import { until } from '../../support/until.ts';

const MISSING = { code: 'UNAUTHENTICATED', reason: 'TOKEN_INVALID', message: /the call has no token/ };

function clientOf(address: string, token?: string) {
  const client = createClient({ address, token });
  onTestFinished(() => client.close());
  return client;
}

async function post(address: string, storeId: number, token?: string) {
  const response = await fetch(`http://${address}/api/generateOrderNumber`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ store_id: storeId }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The samples about the tokens. */
async function scrapeTokens(address: string): Promise<string[]> {
  const page = await (await fetch(`http://${address}/metrics`)).text();
  return page.split('\n').filter((line) => line.startsWith('order_numbers_tokens_'));
}

it.each(ENGINES)('with --tokens a call needs one, over gRPC and HTTP: $name', async (engine) => {
  const tokens = join(testFolder(), 'tokens.json');
  const [token, other] = [newToken(), newToken()];
  writeTokens(tokens, entryOf(token, { name: 'checkout', stores: ['7'], verbs: ['allocate'] }));
  const server = new LocalServer(await engine.newLedger(), { args: ['--tokens', tokens] });
  const address = await server.serving();
  const http = String((await server.line('serving'))['http']);
  expect(await server.line('tokens read')).toMatchObject({ tokens, active: 1 });

  await expect(clientOf(address).allocate({ storeId: 7 })).rejects.toMatchObject({
    ...MISSING,
    message: expect.stringMatching(MISSING.message),
  });
  await expect(clientOf(address, other).allocate({ storeId: 7 })).rejects.toThrow(
    'the token is unknown to this server',
  );
  expect(await clientOf(address, token).allocate({ storeId: 7 })).toMatchObject({ orderId: 1n });
  await expect(clientOf(address, token).allocate({ storeId: 8 })).rejects.toMatchObject({ reason: 'STORE_FORBIDDEN' });
  await expect(clientOf(address, token).getStore(7)).rejects.toMatchObject({ reason: 'VERB_FORBIDDEN' });

  expect(await post(http, 7)).toMatchObject({ status: 401 });
  expect(await post(http, 7, other)).toMatchObject({ status: 401 });
  expect(await post(http, 8, token)).toMatchObject({ status: 403 });
  expect(await post(http, 7, token)).toMatchObject({ status: 200, body: { OrderID: 2 } });
  expect(server.said()).not.toContain(token.slice(5, 20));
  expect(server.said()).not.toContain(other.slice(5, 20));
});

it('a revoked token works no longer, without a restart, and its watch ends', async () => {
  const folder = testFolder();
  const tokens = join(folder, 'tokens.json');
  const token = newToken();
  writeTokens(tokens, entryOf(token));
  const server = new LocalServer(join(folder, 'orders.db'), { args: ['--tokens', tokens] });
  const client = clientOf(await server.serving(), token);
  const seen: bigint[] = [];
  const watching = (async () => {
    for await (const step of client.watchAllocations({ afterOrderId: 0 }))
      seen.push(...step.allocations.map(({ orderId }) => orderId));
  })();
  const ended = watching.catch((error: unknown) => error);
  await client.allocate({ storeId: 7 });
  await until('the watch has it', () => seen.length === 1);

  writeTokens(tokens, entryOf(token, { revoked: new Date().toISOString() }));
  expect(await ended).toMatchObject({
    code: 'UNAUTHENTICATED',
    message: expect.stringContaining('the access of checkout was revoked; ask the operator for a new token'),
  });
  await expect(client.allocate({ storeId: 7 })).rejects.toThrow('was revoked');
  expect(seen).toEqual([1n]);
});

it('tokens are rotated under 64 calls in flight, and none of them fails', async () => {
  // The server looks at its file when it is told to: the load would use the processors for the time between.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const folder = testFolder();
  const tokens = join(folder, 'tokens.json');
  const secrets = Array.from({ length: 3 }, newToken);
  const entries = secrets.map((token, i) => entryOf(token, { name: `t${i}`, expires: '9999-12-31' }));
  writeTokens(tokens, entries[0]!);
  const server = new LocalServer(join(folder, 'orders.db'), { args: ['--tokens', tokens] });
  const address = await server.serving();
  const metrics = String((await server.line('serving'))['metrics']);
  let client = clientOf(address, secrets[0]);
  const load = { isOn: true };
  const answered = Array.from({ length: 64 }, () => 0);
  const callers = answered.map(async (_, caller) => {
    while (load.isOn) {
      await client.allocate({ storeId: 7 });
      answered[caller]! += 1;
    }
  });
  const running = Promise.all(callers);
  const change = async (active: number, ...changed: FileEntry[]) => {
    writeTokens(tokens, ...changed);
    await until('the new file is in use', async () => {
      vi.advanceTimersByTime(1000);
      return (await scrapeTokens(metrics))[0] === `order_numbers_tokens_active ${active}`;
    });
  };
  for (const [i, entry] of entries.entries()) {
    if (i === 0) continue;
    const old = entries[i - 1]!;
    await change(2, old, entry);
    client = clientOf(address, secrets[i]);
    // A caller that has been answered since then uses the new client.
    const before = [...answered];
    await until('all callers have the new token', () => answered.every((count, caller) => count > before[caller]!));
    await change(1, { ...old, revoked: new Date().toISOString() }, entry);
  }
  load.isOn = false;
  await running;
  const refused = server.log.filter(({ reason }) => reason !== undefined);
  expect(refused).toEqual([]);
});

it('a broken file changes nothing but a warning and the metrics', async () => {
  const folder = testFolder();
  const tokens = join(folder, 'tokens.json');
  const token = newToken();
  writeTokens(tokens, entryOf(token), entryOf(newToken(), { name: 'old', expires: '2020-01-01' }));
  const server = new LocalServer(join(folder, 'orders.db'), { args: ['--tokens', tokens] });
  const client = clientOf(await server.serving(), token);
  const metrics = String((await server.line('serving'))['metrics']);
  expect(await scrapeTokens(metrics)).toEqual([
    'order_numbers_tokens_active 1',
    'order_numbers_tokens_current 1',
    'order_numbers_tokens_reload_failures_total 0',
  ]);
  replaceFile(tokens, '{"version":1,"tokens":[{"name":"a b"}]}');
  expect((await server.line(/stay in use/)).msg).toBe(
    `the token file ${tokens} is invalid, correct it: tokens[0] ("a b") needs either sha256 or san; the tokens that ` +
      'were read before stay in use',
  );
  expect(await client.allocate({ storeId: 7 })).toMatchObject({ orderId: 1n });
  expect(await scrapeTokens(metrics)).toEqual([
    'order_numbers_tokens_active 1',
    'order_numbers_tokens_current 0',
    'order_numbers_tokens_reload_failures_total 1',
  ]);
});

it('a start without a token file, or with a broken one, is refused in one line and creates nothing', async () => {
  const folder = testFolder();
  const [ledger, tokens] = [join(folder, 'orders.db'), join(folder, 'tokens.json')];
  expect(await refusedProcess(ledger, { args: ['--tokens', tokens] })).toBe(
    `the token file ${tokens} does not exist: correct --tokens, or create it with order-numbers token create`,
  );
  writeFileSync(tokens, '{"version":1}', { mode: 0o600 });
  expect(await refusedProcess(ledger, { env: { ORDERS_TOKENS: tokens } })).toBe(
    `the token file ${tokens} is invalid, correct it: its field tokens is not an array`,
  );
  expect(readdirSync(folder)).toEqual(['tokens.json']);
});
