import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { ConsoleFixture, useChromium } from './chromium.ts';

useChromium();

/** The rules of WCAG, and what axe recommends beside them. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const DEVICES: readonly [name: string, options: BrowserContextOptions][] = [
  ['in light', { colorScheme: 'light' }],
  ['in the dark', { colorScheme: 'dark' }],
  ['on a phone of 390 pixels', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
];

describe.each(DEVICES)('%s', (_name, options) => {
  it('axe finds no violation, and nothing is wider than the screen', async (test) => {
    const console = await ConsoleFixture.start(test);
    const prefix = 'A-very-long-prefix-of-32-letters';
    await console.client.createStore({ storeId: 9007199254740993n, firstNumber: 2n ** 62n, prefix, suffix: prefix });
    await console.client.allocate({ storeId: 9007199254740993n, requestId: 'x'.repeat(128), count: 3 });
    for (let i = 1; i <= 30; i++) await console.client.allocate({ storeId: i, requestId: `cart-${i}` });
    const page = await console.open(options);
    const look = async () => {
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      return [...(widths[0]! > widths[1]! ? [`${widths[0]} pixels are wide`] : []), ...(await violations(page))];
    };
    await console.shows('feed-state', 'live');
    await console.shows('stores-count', '31 stores');
    expect(await look()).toEqual([]);
    await console.find('2');
    await page.locator('.neighbors table').nth(1).waitFor();
    await page.locator('#verify-start').click();
    await console.shows('verify-verdict', 'No gaps');
    expect(await look()).toEqual([]);
    await page.getByRole('button', { name: 'Edit store 1', exact: true }).click();
    expect(await look()).toEqual([]);
    await page.keyboard.press('Escape');
    await page.locator('#token-button').click();
    expect(await look()).toEqual([]);
  });
});

/** What axe finds: the rule, and the element that breaks it. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate<AxeResults>('axe.run()');
  return found.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
