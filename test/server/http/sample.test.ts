import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Engine } from '../../support/engines/engines.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { connect } from '../../support/clients/orders-client.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';

const run = promisify(execFile);
const AUTOCANNON = new URL('../../../node_modules/.bin/autocannon', import.meta.url).pathname;
/** As in the shops' scripts, except for the port, so that no other server interferes. */
const LOAD = `autocannon http://localhost:3000/api/generateOrderNumber -m POST --header 'Content-Type: application/json' --body '{"store_id": 4578}' --connections 10 --duration 10 --pipelining 1 --renderStatusCodes`;

describe.each(ENGINES)('on $name', (engine) => {
  describe('the original sample’s own commands', () => {
    it('the pair comes byte for byte', async () => {
      const { port } = await serve(engine);
      const post = async (storeId: string) => {
        const request = {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: `{"store_id": ${storeId}}`,
        };
        return (await fetch(`http://localhost:${port}/api/generateOrderNumber`, request)).text();
      };
      expect(await post('32913')).toBe('{"OrderID":1,"OrderNumber":100,"StoreID":32913}');
      expect(await post('32913')).toBe('{"OrderID":2,"OrderNumber":101,"StoreID":32913}');
      expect(await post('"x"')).toMatch(/^\{"message":"Malformed Request",/);
    });

    it('P1 P2: autocannon: every answer is a pair, and the ledger has no hole', async () => {
      const { ledger, port, server } = await serve(engine);
      const load = LOAD.replace('--duration 10', '--amount 300').replace('autocannon', `'${AUTOCANNON}' --json`);
      const result = JSON.parse(await shell(load, port)) as {
        readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
        readonly errors: number;
        readonly timeouts: number;
        readonly mismatches: number;
      };
      expect(result).toMatchObject({ errors: 0, timeouts: 0, mismatches: 0, non2xx: 0 });
      expect(Object.keys(result.statusCodeStats)).toEqual(['200']);
      expect(await server.stop()).toBe(0);
      const rows = await engine.assertDense(ledger);
      // The last answer of each connection may have been in flight when the load ended.
      const answered = result.statusCodeStats['200']!.count;
      expect(answered).toBeGreaterThan(100);
      expect(rows.length).toBeGreaterThanOrEqual(answered);
      expect(rows.length).toBeLessThanOrEqual(answered + 10);
      expect(new Set(rows.map((row) => row.store_id))).toEqual(new Set([4578n]));
    });
  });

  describe('P5: HTTP and gRPC share one key space', () => {
    it('P5: a key sent by HTTP is replayed by gRPC, and vice versa', async () => {
      const { ledger, port, grpc } = await serve(engine);
      const client = connect(grpc);
      onTestFinished(() => client.close());

      const first = await order(port, 7, 'from-http');
      expect(await first.text()).toBe('{"OrderID":1,"OrderNumber":100,"StoreID":7}');
      expect(await client.allocateOrder({ storeId: 7n, requestId: 'from-http' })).toMatchObject({
        allocation: { orderId: 1n, orderNumber: 100n, storeId: 7n, requestId: 'from-http' },
        replayed: true,
      });

      await client.allocateOrder({ storeId: 7n, requestId: '"from-grpc"' });
      const again = await order(port, 7, '"from-grpc"');
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(again.headers.get('idempotency-key')).toBe('"from-grpc"');
      expect(await again.text()).toBe('{"OrderID":2,"OrderNumber":101,"StoreID":7}');
      expect(await engine.assertDense(ledger)).toHaveLength(2);
    });

    it('P4 P5: a key is replayed after kill -9', async () => {
      const ledger = await engine.newLedger();
      const { port, server } = await serveOn(ledger, new ServerProcess(ledger, { http: true }));
      const first = await (await order(port, 7, 'cart-1')).text();
      await server.kill();
      const next = await serveOn(ledger, new LocalServer(ledger));
      const again = await order(next.port, 7, 'cart-1');
      expect(await again.text()).toBe(first);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(await engine.assertDense(ledger)).toHaveLength(1);
    });
  });

  describe('a server process', () => {
    it('becomes ready, and stops with an idle connection open', async () => {
      const ledger = await engine.newLedger();
      const { port, server } = await serveOn(ledger, new ServerProcess(ledger, { http: true }));
      expect((await fetch(`http://localhost:${port}/readyz`)).status).toBe(200);
      expect((await fetch(`http://localhost:${port}/healthz`)).status).toBe(200);
      expect(await server.stop()).toBe(0);
      expect(server.stderr).toBe('');
    });
  });
});

it('serves no HTTP when it is off', async () => {
  const server = new LocalServer(join(testFolder(), 'orders.db'), { args: ['--http-listen', 'off'] });
  expect(await server.line('serving')).not.toHaveProperty('http');
});

async function serve(engine: Engine) {
  const ledger = await engine.newLedger();
  return serveOn(ledger, new LocalServer(ledger));
}

async function serveOn<Server extends LocalServer | ServerProcess>(ledger: string, server: Server) {
  const serving = await server.line('serving');
  return { ledger, server, grpc: String(serving['grpc']), port: Number(String(serving['http']).split(':').at(-1)) };
}

function order(port: number, storeId: number, key: string): Promise<Response> {
  return fetch(`http://localhost:${port}/api/generateOrderNumber`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ store_id: storeId }),
  });
}

/** Runs a command as it would be typed, with the port of this server, and returns what it prints. */
async function shell(command: string, port: number): Promise<string> {
  const { stdout } = await run('sh', ['-c', command.replace('localhost:3000', `localhost:${port}`)]);
  return stdout;
}
