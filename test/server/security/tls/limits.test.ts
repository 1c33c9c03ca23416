import { constants } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished, vi } from 'vitest';
import { AUTHORITY } from '../../../support/network/certificates.ts';
import { answerOf, encode, framed, HostileClient } from '../../../support/network/hostile-client.ts';
import { TlsFixture } from './tls-fixture.ts';

// The bounds of grpc/enforcement count bytes and connections, which TLS wraps.

const LIST_ALLOCATIONS = '/orders.v1.OrderNumberService/ListAllocations';

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
  const writer = await connected(fixture);
  const keys = Array.from({ length: 1000 }, (_, i) => `${i}`.padEnd(128, 'x'));
  await Promise.all(keys.map((requestId) => writer.call(encode({ storeId: 7n, requestId }))));
  const hostile = await connected(fixture, true);
  const list = framed(Buffer.from([0x10, 0xe8, 0x07]));
  await vi.waitUntil(
    () => {
      for (let i = 0; i < 20 && !hostile.isClosed; i++) hostile.open({}, LIST_ALLOCATIONS).end(list);
      return hostile.isClosed;
    },
    { timeout: 30_000 },
  );
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
