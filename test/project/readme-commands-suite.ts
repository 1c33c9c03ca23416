import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { expect, it } from 'vitest';
import { assertDense } from '../support/ledgers/density.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import type { Said, Tools } from './checkout.ts';
import { allSay, Checkout } from './checkout.ts';
import { blockLines, documentAt } from './documents.ts';

export const README = documentAt('README.md');

/** What its lines must print at least, in order. */
const SAYS: readonly Said[] = [
  ['allocate --store 32913', /order id +1\n[^]*order number +100\n[^]*cart-4711[^]*replayed +no/],
  ['grpcurl', /"orderId": ?"1",[^]*"orderNumber": ?"100"[^]*"replayed": ?true/],
  ['OrderNumberService/AllocateOrder -H', /"orderNumber":"100".*"replayed":true/],
  ['generateOrderNumber', /^\{"OrderID":2,"OrderNumber":101,"StoreID":32913\}$/],
  ['buf curl', /"orderId": ?"3"/],
  ['--count 10', /invoice-batch-9/],
  ['BatchAllocateOrders', /"orderId": ?"1"[^]*"replayed": ?true[^]*"orderId": ?"4"[^]*"replayed": ?true/],
  ['stores create', /W-/],
  ['stores update', /\/26/],
  ['stores list', /32913/],
  ['get --order-id 1', /32913/],
  ['get --store 7', /invoice-batch-9/],
  ['--last 20', /ORDER ID[^]*\n +1 [^]*invoice-batch-9$/],
  ['--csv', /^[^\n]+\n[^\n]*invoice-batch-9[^\n]*$/],
  ['watch', /invoice-batch-9/],
  ['verify', /no gaps, no duplicates/],
  ['verify data', /no gaps, no duplicates/],
  ['backup', /last_order_id +13\n/],
  ['token create', /^ordn_\w{49}$/m],
  ['top', /13/],
  ['metrics', /order_numbers_last_order_id 13/],
  ['health', /serving/i],
];

const RESTORE: readonly Said[] = [['restore', /last_order_id +13\n/]];
const IMPORT: readonly Said[] = [['import', /next_order_id +78\n/]];
const NEXT: readonly Said[] = [['curl', /^\{"OrderID":78,"OrderNumber":142,"StoreID":32913\}$/]];

/** Runs the commands of the README, except make: see docs-commands-suite.ts. */
export function readmeCommandsSuite(tools: Tools, require: (test: TestContext) => void): void {
  const lines = blockLines(README, 'sh').filter((line) => !line.startsWith('make '));

  it('every command of the README does what the text says, in order, on a new ledger', async (test) => {
    require(test);
    const checkout = new Checkout(tools);
    const ledger = checkout.ledger();
    const server = new LocalServer(ledger);
    checkout.serves(await server.line('serving'));
    const ofServer = lines.filter((line) => !/ (restore|import) /.test(line));
    expect(await checkout.run(ofServer, SAYS)).toEqual(allSay(SAYS));
    expect(await server.stop()).toBe(0);
    expect(assertDense(ledger)).toHaveLength(4);

    const restore = lines.filter((line) => line.includes(' restore '));
    expect(await checkout.run(restore, RESTORE)).toEqual(allSay(RESTORE));
    expect(assertDense(ledger)).toHaveLength(4);
  });

  it('the import command takes over the original sample, and numbering continues where it stopped', async (test) => {
    require(test);
    const checkout = new Checkout(tools);
    writeFileSync(join(checkout.folder, 'table.json'), SAMPLE_TABLE);
    const imports = lines.filter((line) => line.includes(' import '));
    expect(await checkout.run(imports, IMPORT)).toEqual(allSay(IMPORT));
    const server = new LocalServer(checkout.ledger());
    checkout.serves(await server.line('serving'));
    const calls = lines.filter((line) => line.includes('generateOrderNumber'));
    expect(await checkout.run(calls, NEXT)).toEqual(allSay(NEXT));
  });
}

/** The table of the original sample, one item a line: store 32913 has numbered to 141, all stores to 77. */
export const SAMPLE_TABLE = `
{"Item":{"StoreID":{"N":"0"},"OrderID":{"N":"77"}}}
{"Item":{"StoreID":{"N":"32913"},"OrderNumber":{"N":"141"},"OrderID":{"N":"77"}}}
`;
