import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freeAddress } from '../../support/network/free-address.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { requireTools } from '../../support/required-tool.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';
import { until } from '../../support/until.ts';
import { ConsoleFixture, newPage, openStreams, useChromium } from './chromium.ts';

useChromium();

it('shows that the server serves, its last order ID and its figures', async (test) => {
  const console = await ConsoleFixture.start(test);
  await console.client.allocate({ storeId: 7, requestId: 'cart-1', count: 3 });
  await console.open();
  await console.shows('state', /^Serving$/);
  await console.shows('last-order-id', /^3$/);
  await console.client.allocate({ storeId: 7, requestId: 'cart-2' });
  await console.shows('last-order-id', /^4$/);
  expect(await console.text('last-order-growth')).toMatch(/^\+1 since/);
  const chart = (title: string) => console.page.getByRole('img', { name: new RegExp(`^${title}: now [\\d.]`) });
  for (const title of ['Allocations per second', 'Waiting in the queue']) await chart(title).waitFor();
  // These have values only for seconds with calls.
  for (const title of ['Milliseconds per call', 'Requests per batch']) {
    await console.page
      .getByRole('img', { name: new RegExp(`^${title}: .*highest of the last minutes [\\d.]*[1-9]`) })
      .waitFor();
  }
});

it('shows that the server does not answer, and everything again when it does', async (test) => {
  const ledger = join(testFolder(), 'orders.db');
  const later = await ConsoleFixture.start(test, { ledger });
  await later.client.allocate({ storeId: 8, requestId: 'cart-1' });
  await later.server.stop();
  const console = await ConsoleFixture.start(test);
  const page = await console.open();
  await console.shows('stores-count', '0 stores');
  await console.shows('feed-state', 'live');
  await console.server.stop();
  await console.shows('state', /^Not serving: the server does not answer$/);
  expect(await page.locator('#state').getAttribute('class')).toBe('state bad');
  const again = new LocalServer(ledger, { args: ['--http-listen', new URL(console.http).host] });
  await again.serving();
  await console.shows('state', /^Serving$/);
  await console.shows('stores-count', '1 store');
  await page.locator('[data-order="1"]').waitFor();
  await console.shows('last-order-id', /^1$/);
});

it('says why a server does not serve', async (test) => {
  requireTools(test, 'chromium');
  const http = await freeAddress();
  const tokens = join(testFolder(), 'tokens.json');
  writeTokens(tokens, entryOf(tokenOf('operator')));
  // Nothing listens at the address of the database.
  const args = ['--http-listen', http, '--tokens', tokens];
  const server = new LocalServer(`postgres://orders@${await freeAddress()}/orders`, { args });
  await server.line(/cannot be opened yet/);
  const page = await newPage();
  await page.goto(`http://${http}`);
  await page.locator('#state.bad').waitFor();
  // Everyone may know, and with a token the figures say the same.
  expect(await page.locator('#state').innerText()).toBe('Not serving: database unreachable');
  await page.locator('#token-input').fill(tokenOf('operator'));
  await page.locator('#token-input').press('Enter');
  await page.locator('#about-server').filter({ hasText: 'on postgres' }).waitFor();
  expect(await page.locator('#state').innerText()).toBe('Not serving: database unreachable');
});

it('the latest orders are live, bounded, and of one store if it is named', async (test) => {
  const console = await ConsoleFixture.start(test);
  const before = Array.from({ length: 49 }, (_, i) =>
    console.client.allocate({ storeId: 8, requestId: `before-${i}` }),
  );
  await Promise.all(before);
  const page = await console.open();
  await console.shows('feed-state', 'live');
  await page.locator('[data-order="1"]').waitFor();
  await console.client.allocate({ storeId: 7, requestId: 'of-7' });
  await console.client.allocate({ storeId: 8, requestId: 'run', count: 2 });
  await page.locator('[data-order="51"]').waitFor();
  await page.locator('[data-order="1"]').waitFor({ state: 'detached' });
  const rows = await console.rows('#feed-table');
  expect(rows.map(([orderId]) => orderId)).toEqual([51, ...Array.from({ length: 49 }, (_, i) => 50 - i)].map(String));
  expect(rows[0]!.slice(0, 4)).toEqual(['51', '8', '149 to 150', '–']);
  await page.getByRole('button', { name: 'Open the order with the ID 51' }).click();
  expect(await console.details()).toMatchObject({ 'Request ID': 'run' });

  await page.locator('#feed-store').fill('7');
  await page.locator('#feed-store').press('Enter');
  await console.shows('feed-state', 'live');
  await page.locator('[data-order="51"]').waitFor({ state: 'detached' });
  await console.client.allocate({ storeId: 8, requestId: 'other' });
  await console.client.allocate({ storeId: 7, requestId: 'own' });
  await page.locator('[data-order="54"]').waitFor();
  expect((await console.rows('#feed-table')).map(([orderId]) => orderId)).toEqual(['54', '50']);

  await page.locator('#feed-pause').click();
  await console.shows('feed-state', 'paused');
  await console.client.allocate({ storeId: 7, requestId: 'paused' });
  await page.locator('#feed-pause').click();
  await page.locator('[data-order="55"]').waitFor();
});

it('orders that come faster than anyone can read are read once per second', async (test) => {
  const console = await ConsoleFixture.start(test);
  const page = await console.open();
  await console.shows('feed-state', 'live');
  const many = Array.from({ length: 300 }, (_, i) => console.client.allocate({ storeId: 7, requestId: `cart-${i}` }));
  await Promise.all(many);
  await console.shows('feed-state', 'once per second');
  await page.locator('[data-order="300"]').waitFor();
  expect(await page.locator('#feed-table tbody tr').count()).toBe(50);
  await until('the stream ends', () => !openStreams(console.openCalls).includes('WatchAllocations'));
});

it('a store is created and edited, with a preview of its display number', async (test) => {
  const console = await ConsoleFixture.start(test);
  const page = await console.open();
  await page.getByRole('button', { name: 'New store' }).click();
  await page.locator('#store-id').fill('7');
  await page.locator('#store-first').fill('5000');
  await page.locator('#store-prefix').fill('W-');
  await page.locator('#store-digits').fill('6');
  await page.locator('#store-suffix').fill('/26');
  expect(await console.text('store-preview')).toBe('W-005000/26');
  await page.getByRole('button', { name: 'Create' }).click();
  await console.shows('stores-table', 'W-005000/26');
  const { displayNumber } = await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
  expect(displayNumber).toBe('W-005000/26');
  // The visible rows are read again without a click.
  await console.shows('stores-table', 'W-005001/26');

  await page.getByRole('button', { name: 'Edit store 7' }).click();
  expect(await page.locator('#store-first').isDisabled()).toBe(true);
  expect(await page.locator('#store-id').isDisabled()).toBe(true);
  await page.locator('#store-suffix').fill('');
  expect(await console.text('store-preview')).toBe('W-005001');
  // Only what was changed here is changed: another one's change meanwhile stays.
  await console.client.updateStore(7, { minDigits: 8 });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('#store-dialog').waitFor({ state: 'hidden' });
  expect(await console.client.getStore(7)).toMatchObject({
    prefix: 'W-',
    suffix: '',
    minDigits: 8,
    firstNumber: 5000n,
  });

  // What the server refuses is said in the form, which keeps what was typed.
  await page.getByRole('button', { name: 'New store' }).click();
  await page.locator('#store-id').fill('7');
  await page.getByRole('button', { name: 'Create' }).click();
  await console.shows('store-error', /store 7 already exists/);
  expect(await page.locator('#store-id').inputValue()).toBe('7');
});

it('a verification of the ledger or of one store has a verdict, and the latest orders go on after it', async (test) => {
  const console = await ConsoleFixture.start(test);
  await console.client.allocate({ storeId: 7, requestId: 'cart-1', count: 3 });
  await console.client.allocate({ storeId: 8, requestId: 'cart-2' });
  const page = await console.open();
  await console.shows('feed-state', 'live');
  await page.locator('#verify-start').click();
  await console.shows(
    'verify-verdict',
    /^No gaps, no duplicates\. 2 rows and 3 sequences read in [\d.]+ s, as of order ID 4\.$/,
  );
  await console.shows('feed-state', 'live');
  await page.locator('#verify-store').fill('8');
  await page.locator('#verify-start').click();
  await console.shows('verify-verdict', /1 row and 1 sequence read/);
  await page.locator('#verify-store').fill('9');
  await page.locator('#verify-start').click();
  await console.shows('verify-verdict', /^Nothing to verify/);
  expect(await page.locator('#verify-stop').isVisible()).toBe(false);
});

it('a page out of sight holds no stream, and goes on when it is seen again', async (test) => {
  const console = await ConsoleFixture.start(test);
  const page = await console.open();
  await console.shows('feed-state', 'live');
  await until('both streams are open', () => openStreams(console.openCalls).length === 2);
  const setHidden = (hidden: boolean) =>
    page.evaluate((isHidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: isHidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await setHidden(true);
  await until('they end', () => openStreams(console.openCalls).length === 0);
  expect(await page.locator('[data-order]').count()).toBe(0);
  await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
  await setHidden(false);
  await page.locator('[data-order="1"]').waitFor();
});

it('everything can be done with the keyboard', async (test) => {
  const console = await ConsoleFixture.start(test);
  await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
  await console.client.allocate({ storeId: 7, requestId: 'cart-2' });
  const page = await console.open();
  await console.shows('stores-count', '1 store');
  const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent);
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Skip to the search');
  await page.keyboard.press('Enter');
  expect(await focused()).toBe('search-text');
  await page.keyboard.type('1');
  await page.keyboard.press('Enter');
  await page.locator('.neighbors table').nth(1).waitFor();
  for (const next of ['search-store', 'Find', '2']) {
    await page.keyboard.press('Tab');
    expect(await focused()).toBe(next);
  }
  await page.keyboard.press('Enter');
  await console.shows('search-details', 'Order 101 of store 7');
  expect(await focused()).toBe('Order 101 of store 7');

  await page.locator('#stores-create').focus();
  await page.keyboard.press('Enter');
  expect(await focused()).toBe('store-id');
  await page.keyboard.press('Escape');
  expect(await focused()).toBe('stores-create');
  await page.getByRole('button', { name: 'Given' }).focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('th[aria-sort]').innerText()).toBe('Given');
});
