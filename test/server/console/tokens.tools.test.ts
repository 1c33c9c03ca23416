import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';
import { ConsoleFixture, useChromium } from './chromium.ts';

useChromium();

const ALL = tokenOf('all');
const SOME = tokenOf('some');

it('asks for a token where the server does, and keeps it in memory only', async (test) => {
  const { console } = await started(test);
  const page = await console.open();
  await page.locator('#token-dialog').waitFor();
  // The state is for everyone.
  await console.shows('state', /^Serving$/);
  await console.useToken(tokenOf('unknown'));
  await console.shows('token-why', /token/);
  await console.useToken(ALL);
  await console.shows('stores-count', '2 stores');
  await console.shows('feed-state', 'live');
  await console.shows('last-order-id', /^2$/);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  expect(kept).toBe('[{},{},""]');
  expect(page.url()).toBe(`${console.http}/`);
  expect(await page.content()).not.toContain(ALL);
  expect(await page.locator('#token-input').inputValue()).toBe('');
  await page.reload();
  await page.locator('#token-dialog').waitFor();
});

it('with a token for some stores shows these, and why the rest is empty', async (test) => {
  const { console } = await started(test);
  const page = await console.open();
  await console.useToken(SOME);
  await console.shows('state', /^Serving$/);
  await console.shows('figures-note', /they need a token for all stores with the verb read/);
  await console.shows('stores-note', /needs a token for all stores with the verb read/);
  await console.shows('feed-note', /needs a token for all stores with the verb read/);
  expect(await page.locator('#token-dialog').isVisible()).toBe(false);

  await page.locator('#stores-filter').fill('7');
  await console.shows('stores-table', '101');
  await page.locator('#feed-store').fill('7');
  await page.locator('#feed-store').press('Enter');
  await page.locator('[data-order="1"]').waitFor();
  await console.find('cart-1', '7');
  expect(await console.details()).toMatchObject({ Caller: 'everything' });
  await console.shows('search-details', /Neighbors among all orders: some has access only to some stores \(7\)/);
  await console.find('100', '8');
  expect(await console.text('search-notes')).toMatch(/store 8/);
  expect(await console.text('search-details')).toBe('');
  // Orders of other stores are as if they did not exist.
  await console.find('2');
  expect(await console.text('search-notes')).toMatch(/No order has the order ID 2/);

  await page.locator('#verify-start').click();
  await console.shows('verify-verdict', /There is no verdict: .*verify/);
  await page.getByRole('button', { name: 'Edit store 7' }).click();
  await page.locator('#store-prefix').fill('X-');
  await page.getByRole('button', { name: 'Save' }).click();
  await console.shows('store-error', /manage/);
});

it('asks again when a token is revoked, and shows nothing from it under the next one', async (test) => {
  const { console, tokens } = await started(test);
  const page = await console.open();
  await console.useToken(ALL);
  await page.locator('[data-order="2"]').waitFor();
  await console.find('2');
  await console.details();
  writeTokens(tokens, entryOf(SOME, { name: 'some', stores: ['7'], verbs: ['read'] }));
  console.server.reload();
  await page.locator('#token-dialog').waitFor();
  await console.useToken(SOME);
  await console.shows('feed-note', /all stores/);
  expect(await console.text('search-details')).toBe('');
  expect(await page.locator('[data-order]').count()).toBe(0);
  await console.shows('stores-table', 'No store to show');
});

async function started(test: Parameters<typeof ConsoleFixture.start>[0]) {
  const tokens = join(testFolder(), 'tokens.json');
  writeTokens(
    tokens,
    entryOf(ALL, { name: 'everything' }),
    entryOf(SOME, { name: 'some', stores: ['7'], verbs: ['read'] }),
  );
  const console = await ConsoleFixture.start(test, { args: ['--tokens', tokens], token: ALL });
  await console.client.allocate({ storeId: 7, requestId: 'cart-1' });
  await console.client.allocate({ storeId: 8, requestId: 'cart-2' });
  return { console, tokens };
}
