// A program for balancers.tools.test.ts, with gRPC's own library and its round robin: numbers one order after the other
// until it is killed, by the retry rule, and prints each order_id or the error that ended the call.
import { credentials, status } from '@grpc/grpc-js';
import { OrderNumberServiceClient } from '../../src/wire/gen/orders/v1/orders.ts';

const [target = ''] = process.argv.slice(2);
const stub = new OrderNumberServiceClient(target, credentials.createInsecure(), {
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
});

for (let i = 0; ; i++) console.log(await number(`order-${i}`));

async function number(requestId: string): Promise<string> {
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    stub.allocateOrder({ storeId: 7n, requestId }, (error, response) => {
      if (error?.code === status.UNAVAILABLE) resolve(undefined);
      else resolve(error ? error.message : String(response.allocation!.orderId));
    });
    const answer = await promise;
    if (answer !== undefined) return answer;
  }
}
