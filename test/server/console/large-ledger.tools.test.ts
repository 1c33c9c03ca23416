import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeLedger } from '../../../bench/ledgers/make-ledger.ts';
import { requireTools } from '../../support/required-tool.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';
import { followCalls, newPage, openStreams, useChromium } from './chromium.ts';

useChromium();

const ROWS = 1_000_000;
const STORES = 10_000;
/** On a machine with other work a million rows take a while, and so does each look at them. */
const LIMIT = { timeout: 300_000 };
const PATIENCE = { timeout: 120_000 };

it(
  '10,000 stores and 1,000,000 orders: listed, sorted, searched, and verified until the page closes',
  LIMIT,
  async (test) => {
    requireTools(test, 'chromium');
    const ledger = join(testFolder(), 'orders.db');
    makeLedger(ledger, { rows: ROWS, stores: STORES });
    const server = new ServerProcess(ledger, { http: true });
    const { http, metrics } = await server.line('serving');
    const page = await newPage();
    const openCalls = new Map<object, string>();
    followCalls(page, openCalls);
    await page.goto(`http://${String(http)}`);
    const shows = (id: string, text: string | RegExp) =>
      page.locator(`#${id}`).filter({ hasText: text }).waitFor(PATIENCE);
    const firstRow = () => page.locator('#stores-table tbody tr').first().innerText();

    await shows('stores-count', '10,000 stores');
    await shows('stores-range', '1 to 12 of 10,000');
    expect(await page.locator('#stores-table tbody tr').count()).toBe(12);
    await page.getByRole('button', { name: 'Store', exact: true }).click();
    expect(await firstRow()).toMatch(/^10000\s+200\s+100\s/);
    await page.locator('#stores-next').click();
    await shows('stores-range', '13 to 24 of 10,000');
    await page.locator('#stores-filter').fill('9998');
    await shows('stores-table', /9998/);
    expect(await page.locator('#stores-table tbody tr').count()).toBe(1);
    await page.getByRole('button', { name: 'Find an order of store 9998' }).click();
    await page.keyboard.type('150');
    await page.keyboard.press('Enter');
    await shows('search-details', 'Order 150 of store 9998');
    await page.locator('.neighbors table').nth(1).waitFor();
    expect(await page.locator('.neighbors tr.here').allInnerTexts()).toEqual([
      expect.stringMatching(/^509998\s+9998\s+150\s/),
      expect.stringMatching(/^509998\s+9998\s+150\s/),
    ]);

    await page.locator('#verify-start').click();
    await shows('verify-verdict', /^No gaps, no duplicates\. 1,000,000 rows and 10,001 sequences read/);

    // The server stands still from its first message until the page is closed, so that it cannot be done before.
    const begun = Promise.withResolvers<void>();
    page.on('response', (response) => {
      if (!response.url().endsWith('/VerifyLedger')) return;
      server.child.kill('SIGSTOP');
      begun.resolve();
    });
    await page.locator('#verify-start').click();
    await begun.promise;
    await shows('feed-state', 'paused during the verification');
    await until('two streams are open', () => openStreams(openCalls).join() === 'VerifyLedger,WatchServer');
    await page.close({ runBeforeUnload: false });
    server.child.kill('SIGCONT');
    const ended = async () => {
      const text = await (await fetch(`http://${String(metrics)}/metrics`)).text();
      return [...text.matchAll(/_calls_total\{.*method="VerifyLedger",result="(\w+)"\} 1$/gm)].map((match) => match[1]);
    };
    await until('it stops', async () => (await ended()).length === 2);
    expect((await ended()).toSorted()).toEqual(['CANCELLED', 'OK']);
  },
);
