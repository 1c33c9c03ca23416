import { createClient } from '../../../src/client/index.ts';

// A program: a client of its own, to be stopped. Numbers as many orders at once as it is told, and prints each answer.

const [address = '', name = '', orders = '1'] = process.argv.slice(2);
const client = createClient({ address, timeoutMs: 60_000 });
await Promise.all(
  Array.from({ length: Number(orders) }, async (_, i) => {
    const { orderId, orderNumber, createTime } = await client.allocate({ storeId: 7, requestId: `${name}-${i}` });
    const answer = {
      i,
      orderId: String(orderId),
      orderNumber: String(orderNumber),
      createTimeMs: createTime.getTime(),
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }),
);
client.close();
