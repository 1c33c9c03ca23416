import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';
import { toolPath } from '../../support/required-tool.ts';
import { FLAGS } from './chromium-flags.ts';

// node test/server/console/screenshots.ts: the pictures of the console that the documents show, docs/console-*.png.

const ROOT = new URL('../../..', import.meta.url).pathname;
const MAX_BYTES = 100 * 1024;
/** How long orders come before the pictures are taken, so that the charts have something to show. */
const LOAD_MS = 50_000;
/** The height of the picture of an order: all of the order, and the neighbors in its store. */
const ORDER_PIXELS = 500;
const STORES = [
  { storeId: 7, firstNumber: 5000, prefix: 'W-', minDigits: 6, suffix: '/26' },
  { storeId: 8, firstNumber: 48_211, prefix: 'EU-' },
  { storeId: 21, firstNumber: 1, prefix: 'POS', minDigits: 7 },
  { storeId: 32_913, firstNumber: 100 },
];
const PICTURES: readonly [name: string, options: BrowserContextOptions][] = [
  ['light', { viewport: { width: 1080, height: 700 }, colorScheme: 'light' }],
  ['order', { viewport: { width: 1000, height: 860 }, colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 800 }, colorScheme: 'dark', isMobile: true, hasTouch: true }],
];

const folder = mkdtempSync(join(tmpdir(), 'order-numbers-screenshots-'));
const tokens = join(folder, 'tokens.json');
const shop = tokenOf('shop');
writeTokens(tokens, entryOf(shop, { name: 'checkout-eu' }));
const listeners = ['--grpc-listen', '--http-listen', '--metrics-listen'].flatMap((flag) => [flag, '127.0.0.1:0']);
const server = spawn(
  process.execPath,
  ['src/cli/order-numbers.js', 'serve', '--ledger', join(folder, 'orders.db'), '--tokens', tokens, ...listeners],
  { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
);
try {
  const { grpc, http } = await addresses();
  const client = createClient({ address: grpc, token: shop });
  for (const store of STORES) await client.createStore(store);
  const browser = await chromium.launch({
    executablePath: toolPath('chromium'),
    args: [...FLAGS, '--disable-lcd-text'],
  });
  const pages: [string, Page][] = [];
  for (const [name, options] of PICTURES) {
    const context = await browser.newContext({ timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    await page.goto(`http://${http}`);
    await page.locator('#token-input').fill(shop);
    await page.locator('#token-input').press('Enter');
    pages.push([name, page]);
  }
  await placeOrders(client);
  for (const [name, page] of pages) await takePicture(name, page);
  await browser.close();
  client.close();
} finally {
  server.kill();
  await once(server, 'exit');
  rmSync(folder, { recursive: true });
}

async function addresses(): Promise<{ grpc: string; http: string }> {
  for await (const line of createInterface({ input: server.stdout })) {
    const { msg, grpc, http } = JSON.parse(line) as Record<string, string>;
    if (msg === 'serving') return { grpc: grpc!, http: http! };
  }
  throw new Error('the server did not start');
}

/** Orders in waves, and at last so few that a list can show each. */
async function placeOrders(client: OrderNumbersClient): Promise<void> {
  const started = performance.now();
  for (let i = 0; performance.now() - started < LOAD_MS;) {
    const sinceMs = performance.now() - started;
    const few = sinceMs > LOAD_MS - 14_000;
    const size = few ? 2 : 10 + Math.round(8 * Math.sin(sinceMs / 6000) + 4 * Math.random());
    const wave = Array.from({ length: size }, () => {
      const { storeId } = STORES[i % STORES.length]!;
      return client.allocate({ storeId, requestId: `cart-${++i}`, count: i % 97 === 0 ? 5 : 1 });
    });
    await Promise.all(wave);
    await delay(few ? 150 : 20);
  }
}

async function takePicture(name: string, page: Page): Promise<void> {
  await page.bringToFront();
  await page.locator('#feed-state').filter({ hasText: 'live' }).waitFor();
  if (name === 'order') {
    await page.locator('#search-text').fill('W-005042/26');
    await page.locator('#search-store').fill('7');
    await page.locator('#search-store').press('Enter');
    await page.locator('.neighbors table').nth(1).waitFor();
  }
  const path = join(ROOT, `docs/console-${name}.png`);
  const box = name === 'order' ? await page.locator('#search').boundingBox() : null;
  await page.screenshot({ path, ...(box && { clip: { ...box, height: Math.min(box.height, ORDER_PIXELS) } }) });
  const { size } = statSync(path);
  if (size > MAX_BYTES) throw new Error(`${path} has ${size} bytes: a document shows at most ${MAX_BYTES}`);
  console.log(`${path}: ${size} bytes`);
}
