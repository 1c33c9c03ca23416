import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../src/client/index.ts';
import { newToken } from '../../src/server/security/token-text.ts';
import type { AllocateOrderResponse } from '../../src/wire/gen/orders/v1/orders.ts';
import { GrpcClient } from '../support/clients/grpc-client.ts';
import { ENGINES } from '../support/engines/engines.ts';
import { fillLedger, fills, tamper } from '../support/ledgers/filled-ledger.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../support/security/tokens.ts';
import { until } from '../support/until.ts';

function clientOf(address: string, token: string) {
  const client = createClient({ address, token });
  onTestFinished(() => client.close());
  return client;
}

it('a damaged caller breaks no read, and no other answer of its batch', async () => {
  const ledger = join(testFolder(), 'orders.db');
  fillLedger(ledger, ...fills(6));
  const damaged = ["'two\n\nlines'", `'${'x'.repeat(5000)}'`, "CAST(x'ff80001b' AS TEXT)", "''", 'char(0x2028, 13, 9)'];
  for (const [i, text] of damaged.entries())
    tamper(ledger, `UPDATE allocations SET caller = ${text} WHERE order_id = ${i + 1}`);
  tamper(ledger, "UPDATE allocations SET caller = 'pos' WHERE order_id = 6");
  const client = createClient({ address: await new LocalServer(ledger).serving() });
  onTestFinished(() => client.close());
  const listed: string[] = [];
  for await (const { caller } of client.listAllocations()) listed.push(caller);
  expect(listed).toEqual(['two\n\nlines', 'x'.repeat(5000), expect.any(String), '', '\u2028\r\t', 'pos']);
  const replays = await Promise.all(fills(6).map((fill) => client.allocate(fill)));
  expect(replays.map(({ orderId, replayed }) => [orderId, replayed])).toEqual(
    listed.map((_, i) => [BigInt(i + 1), true]),
  );
  expect(replays.map(({ caller }) => caller)).toEqual(['two  lines', ...listed.slice(1)]);
});

/** A server with tokens of these names, and what reaches it with each. */
async function serve(ledger: string, ...names: string[]) {
  const file = join(testFolder(), 'tokens.json');
  const tokens = names.map(() => newToken());
  writeTokens(file, ...names.map((name, i) => entryOf(tokens[i]!, { name })));
  const server = new LocalServer(ledger, { args: ['--tokens', file] });
  const grpc = await server.serving();
  const http = String((await server.line('serving'))['http']);
  const order = async (token: string, storeId: number, requestId: string) => {
    const response = await fetch(`http://${http}/api/generateOrderNumber`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'idempotency-key': requestId,
        caller: 'forged',
        from: 'forged',
      },
      body: JSON.stringify({ store_id: storeId, caller: 'forged' }),
    });
    return { status: response.status, body: await response.text() };
  };
  return { server, grpc, tokens, order, clients: tokens.map((token) => clientOf(grpc, token)) };
}

describe.each(ENGINES)('the caller of an allocation on $name', (engine) => {
  it('is the name of its token, over gRPC and HTTP, and every read shows it', async () => {
    const ledger = await engine.newLedger();
    const { server, clients, tokens, order } = await serve(ledger, 'checkout-eu', 'pos');
    const [checkout, pos] = clients as [(typeof clients)[0], (typeof clients)[0]];
    expect(await checkout.allocate({ storeId: 7, requestId: 'one' })).toMatchObject({ caller: 'checkout-eu' });
    expect(await pos.allocate({ storeId: 7, requestId: 'run', count: 3 })).toMatchObject({ caller: 'pos' });
    // The sample's answer has its three fields and no more.
    const sample = { status: 200, body: '{"OrderID":5,"OrderNumber":104,"StoreID":7}' };
    expect(await order(tokens[0]!, 7, 'http')).toEqual(sample);
    expect(await order(tokens[1]!, 7, 'http')).toEqual(sample);

    const callers = ['checkout-eu', 'pos', 'checkout-eu'];
    const listed: string[] = [];
    for await (const { caller } of pos.listAllocations()) listed.push(caller);
    expect(listed).toEqual(callers);
    expect(await pos.getAllocation({ storeId: 7, requestId: 'http' })).toMatchObject({ caller: 'checkout-eu' });
    const watched: string[] = [];
    const watch = pos.watchAllocations({ afterOrderId: 0 });
    const watching = (async () => {
      for await (const { allocations } of watch) watched.push(...allocations.map(({ caller }) => caller));
    })();
    await until('the history is there', () => watched.length === 3);
    await pos.allocate({ storeId: 8 });
    await until('the new one is there', () => watched.length === 4);
    await watch.return?.();
    await watching;
    expect(watched).toEqual([...callers, 'pos']);
    expect(await server.stop()).toBe(0);
  });

  it('P5: is that of the original in a replay, also on an open server, and in racing copies', async () => {
    const ledger = await engine.newLedger();
    const named = await serve(ledger, 'checkout-eu', 'pos');
    const [checkout, pos] = named.clients as [(typeof named.clients)[0], (typeof named.clients)[0]];
    const first = await checkout.allocate({ storeId: 7, requestId: 'cart-1' });
    expect(await pos.allocate({ storeId: 7, requestId: 'cart-1' })).toEqual({ ...first, replayed: true });
    for (let i = 0; i < 20; i++) {
      const requestId = `race-${i}`;
      const both = await Promise.all([checkout, pos].map((client) => client.allocate({ storeId: 7, requestId })));
      expect(both.filter(({ replayed }) => !replayed)).toHaveLength(1);
      expect(new Set(both.map(({ orderId, caller }) => `${orderId} ${caller}`)).size).toBe(1);
      expect(await pos.getAllocation({ storeId: 7, requestId })).toMatchObject({ caller: both[0]!.caller });
    }
    expect(await named.server.stop()).toBe(0);

    const open = new GrpcClient(await new LocalServer(ledger).serving());
    expect(await open.allocate(7n, 1, 'cart-1')).toMatchObject({
      allocation: { caller: 'checkout-eu' },
      replayed: true,
    });
    expect(await open.allocate(7n, 1, 'cart-2')).toMatchObject({ allocation: { caller: '' }, replayed: false });
  });

  it('is never what a caller says of itself', async () => {
    const { grpc, tokens } = await serve(await engine.newLedger(), 'checkout-eu');
    const { stub } = new GrpcClient(grpc);
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${tokens[0]}`);
    for (const name of ['caller', 'x-caller', 'name', 'principal', 'from', 'user-agent']) metadata.set(name, 'forged');
    const { allocation } = await new Promise<AllocateOrderResponse>((resolve, reject) =>
      stub.allocateOrder({ storeId: 7n, requestId: 'caller=forged' }, metadata, (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    );
    expect(allocation).toMatchObject({ caller: 'checkout-eu' });
  });
});
