import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'vitest';
import { expect, it, vi } from 'vitest';
import { assertDense } from '../support/ledgers/density.ts';
import { ORDER_NUMBERS, ServerProcess, testFolder } from '../support/processes/server-process.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const TOOLS = join(ROOT, '.tools');
const STAND_INS = join(ROOT, 'test/support/stand-ins');
export const README = readFileSync(`${ROOT}README.md`, 'utf8');

/** What the lines of the README have to say at least, by a part of the line. */
const SAYS: readonly (readonly [part: string, says: RegExp])[] = [
  ['grpcurl', /"orderId": "1",[^]*"orderNumber": "100"/],
  ['allocate --store 32913', /cart-4711/],
  ['generateOrderNumber', /^\{"OrderID":3,"OrderNumber":102,"StoreID":32913\}$/],
  ['buf curl', /"orderId": "4"/],
  ['--count 10', /invoice-batch-9/],
  ['stores create', /W-/],
  ['stores update', /\/26/],
  ['stores list', /32913/],
  ['get --order-id 1', /32913/],
  ['get --store 7', /invoice-batch-9/],
  ['--last 20', /ORDER ID[^]*\n +1 [^]*invoice-batch-9$/],
  ['--csv', /^[^\n]+\n[^\n]*invoice-batch-9[^\n]*$/],
  ['watch', /invoice-batch-9/],
  ['verify\n', /no hole, no repeat/],
  ['verify data', /no hole, no repeat/],
  ['backup', /14/],
  ['metrics', /order_numbers_last_order_id 14/],
  ['readyz', /"status"/],
];

/** Runs what the README says, with curl and grpcurl themselves or with what stands in for them where they are missing. */
export function readmeCommandsSuite(tools: 'real' | 'stand-ins', require: (test: TestContext) => void): void {
  const folders = tools === 'real' ? [TOOLS] : [STAND_INS];
  const run = (line: string, env: Record<string, string>) => runIn(folders, line, env);

  it('every line of the README does what it says, in its order, on a new ledger', async (test) => {
    require(test);
    const folder = testFolder();
    const ledger = join(folder, 'orders.db');
    const server = new ServerProcess(ledger);
    const where = await server.line('serving');
    const lines = [...shellLines('## Quick start'), ...shellLines('## Everything in one line each')].filter(
      (line) => !/^(make|#)/.test(line) && !/\b(restore|import)\b/.test(line),
    );
    expect(lines.length).toBeGreaterThanOrEqual(SAYS.length);
    for (const line of lines) {
      const command = line
        .replaceAll('localhost:50051', String(where['grpc']))
        .replaceAll('localhost:3000', String(where['http']))
        .replaceAll('localhost:9464', String(where['metrics']))
        .replace('verify data/orders.db', `verify ${ledger}`)
        .replace('npx order-numbers', `${process.execPath} ${ORDER_NUMBERS}`)
        .replace(/ backup\.db$/, ` --ledger ${ledger} ${join(folder, 'backup.db')}`);
      const said = await run(command, { ORDERS_SERVER: String(where['grpc']) });
      const expected = SAYS.filter(([part]) => `${line}\n`.includes(part));
      expect({ line, isExpected: expected.length > 0 }).toEqual({ line, isExpected: true });
      for (const [, says] of expected)
        expect({ line, said: said.trim() }).toEqual({ line, said: expect.stringMatching(says) });
    }
    expect(await server.stop()).toBe(0);
    expect(assertDense(ledger)).toHaveLength(5);

    const restore = shellLines('## Everything in one line each').find((line) => line.includes('restore'));
    const command = restore!.replace('npx order-numbers', `${process.execPath} ${ORDER_NUMBERS}`);
    await run(`${command.replace('backup.db', join(folder, 'backup.db'))} --ledger ${ledger} --yes`, {});
    expect(assertDense(ledger)).toHaveLength(5);
  });

  it("the import's line carries the original sample over, and numbering goes on where it stopped", async (test) => {
    require(test);
    const folder = testFolder();
    const ledger = join(folder, 'orders.db');
    const table = join(folder, 'table.json');
    writeFileSync(
      table,
      '{"Item":{"StoreID":{"N":"0"},"OrderID":{"N":"77"}}}\n{"Item":{"StoreID":{"N":"32913"},"OrderNumber":{"N":"141"},"OrderID":{"N":"77"}}}\n',
    );
    const line = shellLines('## Everything in one line each').find((each) => each.includes('import'));
    await run(
      line!.replace('npx order-numbers', `${process.execPath} ${ORDER_NUMBERS}`).replace('table.json', table) +
        ` --ledger ${ledger}`,
      {},
    );
    const server = new ServerProcess(ledger);
    const { http } = await server.line('serving');
    const curl = shellLines('## Quick start').find((each) => each.startsWith('curl'));
    expect(await run(curl!.replace('localhost:3000', String(http)), {})).toBe(
      '{"OrderID":78,"OrderNumber":142,"StoreID":32913}',
    );
  });
}

/** The lines of the shell blocks of a section. */
function shellLines(heading: string): string[] {
  const section = README.slice(README.indexOf(`${heading}\n`)).split(/\n## /)[0]!;
  const blocks = [...section.matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1]!);
  return blocks.flatMap((block) => block.split('\n')).filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

/** What a line says on standard output. One that goes on for ever is ended as by Ctrl-C once it has said something. */
async function runIn(folders: readonly string[], line: string, env: Record<string, string>): Promise<string> {
  const child = spawn('sh', ['-c', `exec ${line}`], {
    cwd: ROOT,
    env: { ...process.env, PATH: [...folders, process.env['PATH']].join(delimiter), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk));
  const stderr = text(child.stderr);
  const closed = once(child, 'close');
  if (line.includes(' watch ')) {
    await vi.waitUntil(() => said.includes('invoice-batch-9'), { timeout: 20_000, interval: 10 });
    child.kill('SIGINT');
  }
  await closed;
  expect({ exitCode: child.exitCode, line, stderr: await stderr }).toMatchObject({ exitCode: 0 });
  return said || (await stderr);
}
