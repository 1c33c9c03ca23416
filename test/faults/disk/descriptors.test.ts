import { readdirSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { credentials, status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import type { GetAllocationResponse } from '../../../src/wire/gen/orders/v1/orders.ts';
import { OrderNumberServiceClient } from '../../../src/wire/gen/orders/v1/orders.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';

/** Slightly more than an idle server uses. */
const DESCRIPTORS = 80;

it('P10: without free file descriptors orders and lookups continue; what cannot start is UNAVAILABLE, and works afterwards', async () => {
  const limited = ['sh', '-c', `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`];
  const server = new ServerProcess(join(testFolder(), 'orders.db'), { http: true, wrapper: limited });
  const client = new OrderNumberServiceClient(await server.serving(), credentials.createInsecure());
  onTestFinished(() => client.close());
  const allocate = (requestId: string) =>
    new Promise<ServiceError | null>((resolve) => {
      client.allocateOrder({ storeId: 7n, requestId }, (error) => resolve(error));
    });
  const lookUp = () =>
    new Promise<ServiceError | GetAllocationResponse>((resolve) => {
      client.getAllocation({ key: { $case: 'orderId', value: 1n } }, (error, found) => resolve(error ?? found));
    });
  const verify = () =>
    new Promise<ServiceError | undefined>((resolve) => {
      const stream = client.verifyLedger({});
      stream.on('data', () => {}).on('error', resolve as (error: Error) => void);
      stream.on('end', () => resolve(undefined));
    });
  expect(await allocate('first')).toBeNull();
  const descriptors = () => readdirSync(`/proc/${server.child.pid}/fd`).length;
  // The reader starts beside the first calls.
  await until('the reader has the database open', () => openFiles(server, 'orders.db') >= 4);

  const [host = '', port = ''] = String((await server.line('serving'))['http']).split(':');
  const sockets: Socket[] = [];
  await until('no descriptor is left', () => {
    sockets.push(connectSocket(Number(port), host).on('error', () => {}));
    return descriptors() >= DESCRIPTORS;
  });
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  expect(await lookUp()).toMatchObject({ allocation: { orderId: 1n } });
  expect(await allocate('second')).toBeNull();
  expect(await verify()).toMatchObject({ code: status.UNAVAILABLE });

  for (const socket of sockets) socket.destroy();
  await until('there are descriptors again', () => descriptors() < DESCRIPTORS - 20);
  expect(await verify()).toBeUndefined();
  expect(await lookUp()).toMatchObject({ allocation: { orderId: 1n } });
  expect(await server.stop()).toBe(0);
});

/** How often the process has a file of this name open: the writer, the checkpointer, the reader. */
function openFiles(server: ServerProcess, name: string): number {
  const folder = `/proc/${server.child.pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).endsWith(`/${name}`);
    } catch {
      return false;
    }
  }).length;
}
