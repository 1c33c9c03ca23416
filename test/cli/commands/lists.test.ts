import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { AllocationLines } from '../../../src/cli/view/allocation-view.ts';
import type { ListFlags } from '../../../src/cli/commands/list.ts';
import { listAllocations } from '../../../src/cli/commands/list.ts';
import { Output } from '../../../src/cli/view/output.ts';
import type { CommandContext } from '../../../src/cli/run/run-command.ts';
import { listStores } from '../../../src/cli/commands/stores.ts';
import type { Allocation } from '../../../src/client/index.ts';
import { clientOf } from '../../client/fake-server.ts';
import { fakeOrdersServer, fakeStore } from '../../support/clients/fake-orders-server.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { testFolder } from '../../support/processes/server-process.ts';

const TERMINAL = { terminalWidth: 80 };
const PIPE = { terminalWidth: undefined };

describe('C7: list', () => {
  it('shows the last orders or any range, in either order, and at most 100 at once on a terminal', async () => {
    const client = clientOf(await new LocalServer(join(testFolder(), 'orders.db')).serving());
    // order_ids 1 to 10 and numbers 100 to 109 are one run; then one by one in two stores.
    await client.allocate({ storeId: 7, count: 10 });
    for (let i = 11; i <= 150; i += 1) await client.allocate({ storeId: i % 2 === 0 ? 8 : 7, requestId: `order-${i}` });
    const ids = async (flags: ListFlags, context: Partial<CommandContext> = PIPE) => {
      const { lines, said } = await run((given) => listAllocations(client, flags, given), { json: true, ...context });
      expect(said).toEqual([]);
      return lines.map((line) => Number((JSON.parse(line) as { orderId: string }).orderId));
    };
    expect(await ids({ last: 3 })).toEqual([148, 149, 150]);
    expect(await ids({ last: 3, newestFirst: true })).toEqual([150, 149, 148]);
    expect(await ids({ last: 2, store: 7n, before: 100n })).toEqual([97, 99]);
    expect(await ids({ last: 1000 })).toHaveLength(141);
    expect(await ids({ newestFirst: true, limit: 2 })).toEqual([150, 149]);
    expect(await ids({ after: 10n, before: 14n })).toEqual([11, 12, 13]);
    expect(await ids({ limit: 2 })).toEqual([1, 11]);
    // JSON and CSV are complete, whatever standard output is.
    expect(await ids({}, TERMINAL)).toHaveLength(141);
    const piped = await run((context) => listAllocations(client, {}, context), PIPE);
    expect(piped).toMatchObject({ said: [], lines: { length: 142 } });

    const shown = async (flags: ListFlags) => run((context) => listAllocations(client, flags, context), TERMINAL);
    expect(await shown({})).toMatchObject({
      lines: { length: 101 },
      said: [
        '100 shown, at most 41 more numbers follow, up to order_id 150: --limit all shows all, --last 20 the newest',
      ],
    });
    // Store 7 has the order_numbers 100 to 109 and 110 to 179; rows of store 8 do not shorten its first 100.
    expect((await shown({ store: 7n })).said).toEqual([]);
    expect((await shown({ newestFirst: true })).said).toEqual([
      '100 shown, at most 50 more numbers follow, down to order_id 1: --limit all shows all, --last 20 the newest',
    ]);
    expect(await shown({ limit: Infinity })).toMatchObject({ said: [], lines: { length: 142 } });
    expect(await shown({ after: 50n })).toMatchObject({ said: [], lines: { length: 101 } });
  });

  it('a table fits the terminal and truncates no number', () => {
    const uuid = '01a20a8c-a137-7a82-809f-4df5af1fd1dd';
    const rows = [
      order({ requestId: uuid }),
      order({ displayNumber: `${'A'.repeat(32)}0000000000000000100${'Z'.repeat(32)}`, requestId: 'x'.repeat(128) }),
      order({ orderId: 1_234_567n, count: 1000 }),
      order({ storeId: 9_223_372_036_854_775_807n }),
    ];
    for (const width of [80, 120]) {
      const lines = linesOf(rows, width);
      expect(lines.filter((line) => line.length > width)).toEqual([]);
    }
    expect(linesOf(rows, 80)[1]).toMatch(
      /^ +41 +32913 +100 {12}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}01a20a8c-a137-7a82.*…$/,
    );
    expect(linesOf(rows, 120)[1]).toContain(uuid);
    expect(linesOf([rows[2]!], 80)[1]).toMatch(/^1234567-1235566 +32913 +100-1099 /);
    // A pipe gets everything whole.
    expect(linesOf(rows, undefined)[2]).toContain('x'.repeat(128));
  });

  it('a table shows callers to a terminal from the first row that has one, and to a pipe always', () => {
    const named = order({ caller: 'checkout-eu' });
    const [header, first, newHeader, second, third] = linesOf([order({}), named, order({})], 80);
    expect(header).toMatch(/CREATED {14}REQUEST ID$/);
    expect(first).toMatch(/\d {2}cart-1$/);
    expect(newHeader).toMatch(/CREATED {14}CALLER {2}REQUEST ID$/);
    expect(second).toMatch(/\d {2}checkout-eu {2}cart-1$/);
    expect(third).toMatch(/\d {15}cart-1$/);
    expect(linesOf([named, named], 80)).toEqual([newHeader, second, second]);
    expect(linesOf([order({}), named], undefined)).toEqual([
      expect.stringMatching(/ REQUEST ID {2}CALLER$/),
      expect.stringMatching(/ cart-1$/),
      expect.stringMatching(/ cart-1 {6}checkout-eu$/),
    ]);
    const longest = order({ caller: 'x'.repeat(64), requestId: 'y'.repeat(128) });
    expect(linesOf([longest], 80)[1]).toMatch(/^.{80}$/);
    expect(linesOf([longest], undefined)[1]).toContain(longest.caller);
  });

  it('a caller out of a damaged row stays in its line', () => {
    const [, row] = linesOf([order({ caller: 'two\nlines\u001b[2J\u2028' })], 80);
    expect(row).not.toMatch(/\p{Cc}|\u2028/u);
  });
});

describe('C7: stores list', () => {
  it('shows 100 on a terminal, says how many follow, and fits it', async () => {
    const style = { prefix: 'P'.repeat(32), suffix: 'S'.repeat(32) };
    const stores = Array.from({ length: 130 }, (_, i) => fakeStore({ storeId: BigInt(i + 1), ...style }));
    const client = clientOf(await fakeOrdersServer({ listStores: () => ({ stores, nextPageToken: '' }) }));
    const list = async (limit: number | undefined, context: Partial<CommandContext>) =>
      run((given) => listStores(client, limit === undefined ? {} : { limit }, given), context);
    const short = await list(undefined, TERMINAL);
    expect(short).toMatchObject({
      lines: { length: 101 },
      said: ['100 shown, 30 more stores follow: --limit all shows all'],
    });
    expect(short.lines.filter((line) => line.length > 80)).toEqual([]);
    for (const all of [await list(Infinity, TERMINAL), await list(undefined, PIPE)]) {
      expect(all).toMatchObject({ lines: { length: 131 }, said: [] });
    }
    expect(await list(3, PIPE)).toMatchObject({ lines: { length: 4 }, said: [] });
  });
});

/** What a table of these rows says. */
function linesOf(rows: readonly Allocation[], width: number | undefined): string[] {
  const table = new AllocationLines(width);
  return rows.flatMap((row) => table.row(row));
}

/** What a command writes, line by line. */
async function run(work: (context: CommandContext) => Promise<void>, context: Partial<CommandContext>) {
  const stream = new PassThrough();
  const written = text(stream);
  const output = new Output(stream);
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  await work({ output, json: false, terminalWidth: undefined, done: () => {}, say, ...context });
  await output.flush();
  stream.end();
  return { lines: (await written).split('\n').slice(0, -1), said };
}

function order(changes: Partial<Allocation>): Allocation {
  return {
    orderId: 41n,
    storeId: 32_913n,
    orderNumber: 100n,
    count: 1,
    displayNumber: '100',
    prefix: '',
    suffix: '',
    minDigits: 0,
    requestId: 'cart-1',
    createTime: new Date(1_795_486_198_201),
    caller: '',
    ...changes,
  };
}
