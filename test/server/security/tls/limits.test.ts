import { constants } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished, vi } from 'vitest';
import { BatchAllocateOrdersRequest } from '../../../../src/wire/gen/orders/v1/orders.ts';
import { AUTHORITY } from '../../../support/network/certificates.ts';
import { answerOf, encode, framed, HostileClient } from '../../../support/network/hostile-client.ts';
import { TlsFixture } from './tls-fixture.ts';

// The bounds of grpc/enforcement count bytes and connections, which TLS wraps.

const LIST_ALLOCATIONS = '/orders.v1.OrderNumberService/ListAllocations';
const BATCH_ALLOCATE_ORDERS = '/orders.v1.OrderNumberService/BatchAllocateOrders';

async function connected(fixture: TlsFixture, takesNothing = false): Promise<HostileClient> {
  return HostileClient.connect(await fixture.address('grpc'), { tls: { ca: AUTHORITY.cert }, takesNothing });
}

it.each([1, 9, 100])('floods of pings, %i at a time, end their connection over TLS, too', async (atOnce) => {
  // As fast as it can be, however slow the machine is.
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const fixture = new TlsFixture();
  const [flooder, bystander] = [await connected(fixture), await connected(fixture)];
  let pings = 0;
  while (pings < 2_000 && !flooder.isClosed) {
    await Promise.all(Array.from({ length: atOnce }, () => flooder.ping()));
    pings += atOnce;
  }
  expect(pings).toBeLessThan(300);
  expect(flooder.goodbye).toEqual({ code: constants.NGHTTP2_ENHANCE_YOUR_CALM, text: 'too_many_pings' });
  expect((await bystander.call(encode({ storeId: 7n, requestId: '' }))).grpcStatus).toBe(status.OK);
});

it('pings between calls are no flood over TLS', async () => {
  const client = await connected(new TlsFixture());
  for (let i = 0; i < 100; i++) {
    const answer = client.call(encode({ storeId: 7n, requestId: '' }));
    expect(await client.ping()).toBe(true);
    expect((await answer).grpcStatus).toBe(status.OK);
  }
  expect(client.goodbye).toBeUndefined();
});

it('answers that are not read end their connection over TLS', async () => {
  const fixture = new TlsFixture();
  const requests = Array.from({ length: 1000 }, (_, i) => ({
    storeId: 7n,
    count: 1,
    requestId: `${i}`.padEnd(128, 'x'),
  }));
  const batch = (await connected(fixture)).open({}, BATCH_ALLOCATE_ORDERS);
  const written = answerOf(batch);
  batch.end(framed(BatchAllocateOrdersRequest.encode({ requests }).finish()));
  expect((await written).grpcStatus).toBe(status.OK);
  const hostile = await connected(fixture, true);
  const list = framed(Buffer.from([0x10, 0xe8, 0x07]));
  // The headers of an answer come; its message waits at the server. No call is refused because others run.
  const ask = async () => {
    while (!hostile.isClosed) {
      const stream = hostile.open({}, LIST_ALLOCATIONS);
      stream.end(list);
      await new Promise((resolve) => stream.once('response', resolve).once('close', resolve));
    }
  };
  await Promise.all(Array.from({ length: 8 }, ask));
  expect(hostile.goodbye).toEqual({ code: constants.NGHTTP2_ENHANCE_YOUR_CALM, text: 'answers_not_taken' });
});

it('rapid resets over TLS leave the server healthy', async () => {
  const fixture = new TlsFixture();
  const hostile = await connected(fixture);
  const streams = Array.from({ length: 500 }, (_, i) => {
    const stream = hostile.open();
    stream.end(framed(encode({ storeId: 7n, requestId: `reset-${i}` })));
    stream.close(constants.NGHTTP2_CANCEL);
    return stream;
  });
  await Promise.all(streams.map(answerOf));
  const client = await fixture.client();
  expect((await client.allocateOrder({ storeId: 7n, requestId: 'after' })).replayed).toBe(false);
  expect(fixture.server.log.filter(({ level }) => level >= 50)).toEqual([]);
});
