import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, onTestFinished, vi } from 'vitest';
import { BUF } from '../support/clients/buf.ts';
import { GrpcClient } from '../support/clients/grpc-client.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { toolPath } from '../support/required-tool.ts';

const SERVICE = 'orders.v1.OrderNumberService';

/** A client that knows the service by reflection only. */
export interface OtherClient {
  /** The full names of the service's methods. */
  list(address: string): Promise<string[]>;
  /** What to run for one call. */
  command(address: string, method: string, request: object): readonly [string, ...string[]];
}

/** What npm brings. */
export const bufCurl: OtherClient = {
  async list(address) {
    const { stdout } = await run(BUF, [
      'curl',
      '--protocol=grpc',
      '--http2-prior-knowledge',
      '--list-methods',
      `http://${address}`,
    ]);
    return stdout
      .trim()
      .split('\n')
      .filter((name) => name.startsWith(SERVICE));
  },
  command: (address, method, request) => [
    BUF,
    'curl',
    '--protocol=grpc',
    '--http2-prior-knowledge',
    `--data=${JSON.stringify(request)}`,
    `http://${address}/${SERVICE}/${method}`,
  ],
};

export const grpcurl: OtherClient = {
  async list(address) {
    const { stdout } = await run(toolPath('grpcurl'), ['-plaintext', address, 'list', SERVICE]);
    return stdout.trim().split('\n');
  },
  command: (address, method, request) => [
    toolPath('grpcurl'),
    '-plaintext',
    '-d',
    // It knows the message of a mask only, not its form in JSON.
    JSON.stringify(request).replace(/"update_mask":("\w+")/, '"update_mask":{"paths":[$1]}'),
    address,
    `${SERVICE}/${method}`,
  ],
};

const run = promisify(execFile);

/** Each RPC, called one after the other on a ledger where store 7 has the order_ids 1 to 3. */
const METHODS: readonly (readonly [method: string, request: object, answer: object])[] = [
  ['GetAllocation', { order_number: { store_id: 7, order_number: 102 } }, { allocation: { orderId: '2', count: 2 } }],
  ['ListAllocations', { page_size: 1 }, { allocations: [{ orderId: '1' }], nextPageToken: expect.any(String) }],
  ['WatchAllocations', { after_order_id: 3 }, { cursor: '3' }],
  ['GetStore', { store_id: 7 }, { store: { storeId: '7', firstNumber: '100', nextNumber: '103' } }],
  ['ListStores', {}, { stores: [{ storeId: '7' }] }],
  ['VerifyLedger', {}, { verdict: { asOfOrderId: '3', rows: '2', sequences: '2', ok: true } }],
  ['WatchServer', {}, { state: 'SERVER_STATE_SERVING', lastOrderId: '3', engine: expect.any(String) }],
  ['AllocateOrder', { store_id: 8, request_id: 'a' }, { allocation: { orderId: '4', orderNumber: '100', count: 1 } }],
  ['AllocateOrders', { store_id: 7, count: 2 }, { allocation: { orderId: '5', orderNumber: '103', count: 2 } }],
  [
    'BatchAllocateOrders',
    { requests: [{ store_id: 7, count: 1 }, { store_id: 0 }] },
    {
      results: [
        { response: { allocation: { orderId: '7', orderNumber: '105' } } },
        { status: { code: 3, details: [{}, {}] } },
      ],
    },
  ],
  ['CreateStore', { store: { store_id: 9, first_number: 5 } }, { store: { storeId: '9', nextNumber: '5' } }],
  ['UpdateStore', { store: { store_id: 7, prefix: 'W' }, update_mask: 'prefix' }, { store: { prefix: 'W' } }],
];

export const METHOD_NAMES = METHODS.map(([method]) => method).toSorted();

/** Calls each RPC of a new ledger's server and asserts its answer; returns the methods that the client finds. */
export async function callEachMethod(ledger: string, other: OtherClient): Promise<string[]> {
  const address = await new LocalServer(ledger, { args: ['--http-listen', 'off'] }).serving();
  const client = new GrpcClient(address);
  await client.allocate(7n);
  await client.allocate(7n, 2);
  for (const [method, request, answer] of METHODS) {
    expect([method, await call(other, address, method, request)]).toMatchObject([method, answer]);
  }
  return (await other.list(address)).map((name) => name.split(/[./]/).at(-1)!).toSorted();
}

/** What the first messages of an endless stream have. */
const ENDLESS: Readonly<Record<string, string>> = { WatchAllocations: 'cursor', WatchServer: 'startTime' };

/** The last message of the answer; an endless stream is cut after its first ones. */
async function call(other: OtherClient, address: string, method: string, request: object): Promise<unknown> {
  const [program, ...args] = other.command(address, method, request);
  let output = '';
  const ended = run(program, args);
  onTestFinished(() => void ended.child.kill('SIGKILL'));
  ended.child.stdout!.on('data', (chunk: string) => (output += chunk));
  const sign = ENDLESS[method];
  if (sign !== undefined) {
    await vi.waitUntil(() => output.includes(sign));
    ended.child.kill('SIGKILL');
    // Where buf is a script that starts another process, that one keeps these open until the server is gone.
    for (const stream of [ended.child.stdout, ended.child.stderr]) stream!.destroy();
    await ended.catch(() => {});
  } else await ended;
  return JSON.parse(`{${output.trim().split('\n{').at(-1)!.replace(/^\{/, '')}`);
}
