import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';
import { ConsoleFixture, useChromium } from './chromium.ts';

useChromium();

const BEYOND_2_53 = 9007199254740993n;

describe('a search', () => {
  it('without a store looks a number up as an order ID, and says what a store is for', async (test) => {
    const console = await ConsoleFixture.start(test);
    await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
    await console.client.allocate({ storeId: 8, requestId: 'cart-2' });
    await console.open();
    await console.find('2');
    expect(await console.details()).toMatchObject({ 'Order ID': '2', Store: '8', 'Request ID': 'cart-2' });
    expect(await console.text('search-notes')).toMatch(/found as order ID[^]*Pick a store for an order number/);
    await console.find('100');
    expect(await console.text('search-notes')).toMatch(/No order has the order ID 100[^]*Pick a store for an order/);
    expect(await console.text('search-details')).toBe('');
    await console.find('cart-1');
    expect(await console.text('search-notes')).toMatch(/Pick a store to look up “cart-1”/);
  });

  it('in a store finds an order by its number, its display number and its request ID', async (test) => {
    const console = await ConsoleFixture.start(test);
    await console.client.createStore({ storeId: 7, firstNumber: 5000, prefix: 'W-', minDigits: 6, suffix: '/26' });
    await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
    await console.client.allocate({ storeId: 7, requestId: 'run-1', count: 10 });
    await console.open();
    for (const [text, as, requestId] of [
      ['5000', 'order number', 'cart-1'],
      ['W-005000/26', 'display number', 'cart-1'],
      ['cart-1', 'request ID', 'cart-1'],
      ['W-005007/26', 'display number', 'run-1'],
    ] as const) {
      await console.find(text, '7');
      expect(await console.text('search-notes')).toBe(`1 hit, found as ${as}.`);
      expect(await console.details()).toMatchObject({ 'Request ID': requestId, Store: '7' });
    }
    expect(await console.details()).toMatchObject({
      'Display number': 'W-005001/26 to W-005010/26',
      'Order ID': '2 to 11',
      'Order number': '5001 to 5010',
      Count: '10',
      'Format at the time': 'prefix W-, at least 6 digits, suffix /26',
    });
  });

  it('says that a display number of another time is not found under the format of today', async (test) => {
    const console = await ConsoleFixture.start(test);
    await console.client.createStore({ storeId: 7, prefix: 'A-' });
    await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
    await console.client.updateStore(7, { prefix: 'B-' });
    await console.open();
    // The row of number 100 has another format than the store has today.
    for (const text of ['A-100', 'B-100']) {
      await console.find(text, '7');
      expect(await console.text('search-notes')).toMatch(/not found under today’s format, B-#\./);
      expect(await console.text('search-details')).toBe('');
    }
    await console.find('100', '7');
    expect(await console.details()).toMatchObject({ 'Display number': 'A-100' });
    await console.find('100', '9');
    expect(await console.text('search-notes')).toMatch(/Store 9 does not exist/);
  });

  it('lists all hits when a text is several things, and opens the one that is picked', async (test) => {
    const console = await ConsoleFixture.start(test);
    await console.client.createStore({ storeId: 7, prefix: '1' });
    await console.client.allocate({ storeId: 7, requestId: '1100' });
    await console.client.allocate({ storeId: 7, requestId: 'cart-2', count: 1000 });
    await console.client.allocate({ storeId: 7, requestId: 'cart-3' });
    await console.open();
    await console.find('1100', '7');
    expect(await console.text('search-notes')).toBe('2 hits.');
    const hits = await console.rows('#search-hits');
    expect(hits.map(([orderId, as]) => [orderId, as])).toEqual([
      ['2', 'order number'],
      ['1', 'display number, request ID'],
    ]);
    expect(await console.text('search-details')).toBe('');
    await console.page.locator('#search-hits').getByRole('button', { name: 'Open the order with the ID 2' }).click();
    expect(await console.details()).toMatchObject({ 'Request ID': 'cart-2' });
  });

  it('shows who took an order, and its neighbors in its store and among all orders', async (test) => {
    const folder = testFolder();
    const tokens = join(folder, 'tokens.json');
    writeTokens(tokens, entryOf(tokenOf('shop'), { name: 'checkout-eu' }));
    const console = await ConsoleFixture.start(test, { args: ['--tokens', tokens], token: tokenOf('shop') });
    for (let i = 1; i <= 8; i++)
      await console.client.allocate({ storeId: i % 2 === 0 ? 7 : 8, requestId: `cart-${i}` });
    await console.open();
    await console.useToken(tokenOf('shop'));
    await console.find('102', '7');
    expect(await console.details()).toMatchObject({ Caller: 'checkout-eu', 'Order ID': '6' });
    const orderIds = async (table: number) => {
      await console.page.locator('.neighbors table').nth(1).waitFor();
      return (await console.rows(`.neighbors > div:nth-child(${table})`)).map(([orderId]) => orderId);
    };
    expect(await orderIds(1)).toEqual(['2', '4', '6', '8']);
    expect(await orderIds(2)).toEqual(['4', '5', '6', '7', '8']);
    await console.page.locator('.neighbors').getByRole('button', { name: 'Open the order with the ID 5' }).click();
    await console.shows('search-details', 'Order 102 of store 8');
    expect(await console.page.evaluate(() => document.activeElement?.textContent)).toBe('Order 102 of store 8');
  });

  it('is exact beyond 2^53', async (test) => {
    const console = await ConsoleFixture.start(test);
    await console.client.createStore({ storeId: BEYOND_2_53, firstNumber: BEYOND_2_53 + 1n });
    await console.client.allocate({ storeId: BEYOND_2_53, requestId: 'cart-1' });
    await console.open();
    // No double is 2^53 + 1 or 2^53 + 3.
    await console.shows('stores-count', '1 store');
    expect(await console.rows('#stores-table')).toEqual([['9007199254740993', '9007199254740995', '1', 'Edit']]);
    await console.page.locator('#stores-table').getByText('Edit').click();
    await console.page.locator('#store-prefix').fill('W-');
    expect(await console.text('store-preview')).toBe('W-9007199254740995');
    await console.page.keyboard.press('Escape');
    await console.client.allocate({ storeId: BEYOND_2_53, requestId: 'cart-2' });
    await console.find('9007199254740995', '9007199254740993');
    expect(await console.details()).toMatchObject({
      Store: '9007199254740993',
      'Order number': '9007199254740995',
      'Request ID': 'cart-2',
    });
  });

  it('shows times in the zone of the viewer, with UTC beside them', async (test) => {
    const console = await ConsoleFixture.start(test);
    const { createTime } = await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
    await console.open({ timezoneId: 'Asia/Kolkata' });
    await console.find('1');
    const utc = createTime.toISOString().replace('T', ' ').replace('Z', '');
    const local = new Date(createTime.getTime() + 5.5 * 3_600_000).toISOString().replace('T', ' ').replace('Z', '');
    expect((await console.details())['Created']!.replace(/\s+/g, ' ')).toBe(`${local} ${utc} UTC`);
    const [, , , , time] = (await console.rows('#feed-table'))[0]!;
    expect(time!.split(/\s+/)).toEqual([local.slice(11, 19), utc.slice(11, 19), 'UTC']);
  });
});

it('what the ledger has is shown as text, however hostile', async (test) => {
  const console = await ConsoleFixture.start(test);
  const prefix = '<img src=x onerror=alert(1)>';
  const requestId = `"><svg/onload=alert(2)><script>alert(3)</script><iframe/srcdoc='<script>alert(4)</script>'>`;
  await console.client.createStore({ storeId: 7, prefix, suffix: '</td></table><h1>x</h1>' });
  await console.client.allocate({ storeId: 7, requestId });
  const page = await console.open();
  let dialogs = 0;
  page.on('dialog', (dialog) => (dialogs++, void dialog.dismiss()));
  await console.find(requestId, '7');
  expect(await console.details()).toMatchObject({
    'Request ID': requestId,
    'Display number': `${prefix}100</td></table><h1>x</h1>`,
  });
  await console.shows('feed-table', `${prefix}100`);
  await console.shows('stores-table', `${prefix}101`);
  await page.locator('#stores-table').getByText('Edit').click();
  expect(await console.text('store-preview')).toContain(prefix);
  expect(await page.locator('main img, iframe, main script, main h1, dialog img').count()).toBe(0);
  expect(dialogs).toBe(0);
});
