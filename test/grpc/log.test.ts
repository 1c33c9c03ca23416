import { describe, expect, it, onTestFinished } from 'vitest';
import { ENGINES } from '../support/engines.ts';
import { connect, failureOf } from '../support/orders-client.ts';
import { LocalServer } from '../support/local-server.ts';

const ERROR = 50;

describe.each(ENGINES)('on $name', (engine) => {
  it.each(['info', 'debug', 'trace'])(
    'at the level %s a good call is not in the log, a failed one is once',
    async (level) => {
      const server = new LocalServer(await engine.newLedger(), { args: ['--log-level', level] });
      const client = connect(await server.serving());
      onTestFinished(() => client.close());
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => client.allocateOrder({ storeId: 7n, requestId: `good-${i}` })),
      );
      await client.allocateOrder({ storeId: 7n, requestId: 'good-1' });
      await failureOf(client.allocateOrder({ storeId: -7n, requestId: 'bad' }));
      await failureOf(client.allocateOrder({ storeId: 7n, requestId: 'bad one' }));
      await client.checkHealth();
      expect(await server.stop()).toBe(0);

      const calls = server.log.filter((line) => 'method' in line);
      expect(calls).toMatchObject([
        {
          method: 'AllocateOrder',
          store_id: '-7',
          request_id: 'bad',
          reason: 'STORE_ID_INVALID',
          ms: expect.any(Number),
        },
        { method: 'AllocateOrder', store_id: '7', request_id: 'bad one', reason: 'REQUEST_ID_INVALID' },
      ]);
      const text = server.said();
      expect(text).not.toContain('good-');
      expect(server.log.every((line) => line.level > 0 && line.level < ERROR)).toBe(true);
    },
  );
});
