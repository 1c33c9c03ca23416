import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { OrderNumberServiceService } from '../../../../src/wire/gen/orders/v1/orders.ts';
import { ENGINES } from '../../../support/engines/engines.ts';
import { requireTools, toolPath } from '../../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../../support/processes/server-process.ts';
import { ALLOCATE_ORDER, FIRST_ANSWER, REQUEST } from './first-call.ts';

const SERVICES = ['grpc.health.v1.Health', 'orders.v1.OrderNumberService'];
const run = promisify(execFile);

describe('grpcurl', () => {
  it('lists and describes the services, well-known types included', async (test) => {
    requireTools(test, 'grpcurl');
    const { address } = await serve();
    expect((await grpcurl(address, 'list')).trim().split('\n')).toEqual(expect.arrayContaining(SERVICES));
    const methods = (await grpcurl(address, 'list', 'orders.v1.OrderNumberService')).trim().split('\n');
    expect(methods).toContain('orders.v1.OrderNumberService.AllocateOrder');
    expect(methods).toHaveLength(Object.keys(OrderNumberServiceService).length);
    expect(await grpcurl(address, 'describe', 'orders.v1.OrderNumberService')).toContain('rpc AllocateOrder');
    expect(await grpcurl(address, 'describe', 'orders.v1.Allocation')).toContain(
      '.google.protobuf.Timestamp create_time = 10;',
    );
    expect(await grpcurl(address, 'describe', 'orders.v1.UpdateStoreRequest')).toContain('.google.protobuf.FieldMask');
    for (const type of ['google.protobuf.Timestamp', 'google.protobuf.FieldMask']) {
      expect(await grpcurl(address, 'describe', type)).toContain(`${type} is a message`);
    }
    expect(await grpcurl(address, 'describe', 'grpc.health.v1.Health.Watch')).toContain('returns ( stream');
  });

  it('P5: calls by name, without a proto file', async (test) => {
    requireTools(test, 'grpcurl');
    const { address } = await serve();
    expect(JSON.parse(await grpcurl('-d', REQUEST, address, ALLOCATE_ORDER))).toEqual(FIRST_ANSWER);
    const again = JSON.parse(await grpcurl('-d', REQUEST, address, ALLOCATE_ORDER)) as unknown;
    expect(again).toEqual({ ...FIRST_ANSWER, replayed: true });
    expect(JSON.parse(await grpcurl(address, 'grpc.health.v1.Health/Check'))).toEqual({ status: 'SERVING' });
  });

  it('shows the details of an error', async (test) => {
    requireTools(test, 'grpcurl');
    const { address } = await serve();
    const call = grpcurl('-d', '{"store_id": 0}', address, ALLOCATE_ORDER);
    const error = await call.catch((thrown: Error & { stderr: string }) => thrown.stderr);
    expect(error).toContain('Code: InvalidArgument');
    expect(error).toContain('google.rpc.ErrorInfo');
    // grpcurl learns what ErrorInfo is by reflection, too.
    expect(error).toContain('"reason": "STORE_ID_INVALID"');
  });
});

describe.each(ENGINES)('on $name', (engine) => {
  it('P1 P2: 2,000 calls by ghz, 64 in flight over 10 stores, all succeed and leave no hole', async (test) => {
    requireTools(test, 'ghz');
    const ledger = await engine.newLedger();
    const address = await new ServerProcess(ledger).serving();
    const stores = Array.from({ length: 10 }, (_, i) => ({ store_id: String(i + 1) }));
    const { stdout } = await run(
      toolPath('ghz'),
      [
        '--insecure',
        `--call=${ALLOCATE_ORDER}`,
        `--data=${JSON.stringify(stores)}`,
        '--total=2000',
        '--concurrency=64',
        '--connections=4',
        '--format=json',
        address,
      ],
      { maxBuffer: 64 * 1024 * 1024 },
    );
    const report = JSON.parse(stdout) as { count: number; statusCodeDistribution: Record<string, number> };
    expect(report).toMatchObject({ count: 2000, statusCodeDistribution: { OK: 2000 } });
    const rows = await engine.assertDense(ledger);
    expect(rows).toHaveLength(2000);
    expect(new Set(rows.map((row) => row.store_id)).size).toBe(10);
  });
});

/** Other clients exercise the transport, for which one engine is enough. */
async function serve() {
  return { address: await new ServerProcess(join(testFolder(), 'orders.db')).serving() };
}

async function grpcurl(...args: string[]): Promise<string> {
  return (await run(toolPath('grpcurl'), ['-plaintext', ...args])).stdout;
}
