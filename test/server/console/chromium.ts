import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import type { TestContext } from 'vitest';
import { afterAll, onTestFinished } from 'vitest';
import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { requireTools, toolPath } from '../../support/required-tool.ts';
import { FLAGS } from './chromium-flags.ts';

const DESKTOP = { width: 1280, height: 900 };
/** Longer than anything takes, on a machine with other work. */
const PATIENCE_MS = 30_000;

let browser: Promise<Browser> | undefined;

/** One Chromium for all tests of a file, started by the first. */
export function useChromium(): void {
  afterAll(async () => {
    await (await browser)?.close();
    browser = undefined;
  });
}

/** A server with an empty ledger, and its console in a new browser context. */
export class ConsoleFixture {
  readonly server: LocalServer;
  readonly http: string;
  readonly client: OrderNumbersClient;
  page!: Page;
  /** What the page asked for and what is not over: the names of the methods. */
  readonly openCalls = new Map<object, string>();
  /** Everything that the browser complains about. */
  readonly complaints: string[] = [];

  private constructor(server: LocalServer, http: string, client: OrderNumbersClient) {
    this.server = server;
    this.http = http;
    this.client = client;
  }

  /** First line of a test. The page is not open yet. */
  static async start(
    test: TestContext,
    { args = [], ledger = join(testFolder(), 'orders.db'), token }: StartOptions = {},
  ): Promise<ConsoleFixture> {
    requireTools(test, 'chromium');
    const server = new LocalServer(ledger, { args });
    const { http, grpc } = await server.line('serving');
    const client = createClient({ address: String(grpc), token });
    onTestFinished(() => client.close());
    return new ConsoleFixture(server, `http://${String(http)}`, client);
  }

  /** Opens the console, and waits until it shows a server that serves. */
  async open(options: BrowserContextOptions = {}): Promise<Page> {
    this.page = await newPage(options);
    this.#listen();
    await this.page.goto(this.http);
    return this.page;
  }

  /** What the panel of the stores, the search, or another shows. */
  text(id: string): Promise<string> {
    return this.page.locator(`#${id}`).innerText();
  }

  /** Waits until an element shows this. */
  async shows(id: string, text: string | RegExp): Promise<void> {
    await this.page.locator(`#${id}`).filter({ hasText: text }).waitFor();
  }

  /** Searches, and waits for the answer. */
  async find(text: string, store = ''): Promise<void> {
    await this.page.locator('#search-text').fill(text);
    await this.page.locator('#search-store').fill(store);
    await this.page.locator('#search-text').press('Enter');
    await this.page.locator('#search-notes p').first().waitFor();
  }

  /** Enters a token when the page asks for one. */
  async useToken(token: string): Promise<void> {
    await this.page.locator('#token-dialog').waitFor();
    await this.page.locator('#token-input').fill(token);
    await this.page.locator('#token-input').press('Enter');
  }

  /** The fields of the order that is open, by their names. */
  async details(): Promise<Record<string, string>> {
    await this.page.locator('.details').waitFor();
    const names = await this.page.locator('.details dt').allInnerTexts();
    const values = await this.page.locator('.details dd').allInnerTexts();
    return Object.fromEntries(names.map((name, i) => [name, values[i]!]));
  }

  /** The cells of the rows of a table. */
  async rows(selector: string): Promise<string[][]> {
    const rows = await this.page.locator(`${selector} tbody tr`).all();
    return Promise.all(rows.map((row) => row.locator('td').allInnerTexts()));
  }

  #listen(): void {
    const { page, complaints, openCalls } = this;
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      // The browser reports each answer that is not 200, such as that of a lookup that finds nothing.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        complaints.push(message.text());
    });
    followCalls(page, openCalls);
    onTestFinished(() => {
      if (complaints.length > 0) throw new Error(`the browser complains: ${complaints.join('; ')}`);
    });
  }
}

export interface StartOptions {
  /** Flags of the server. */
  readonly args?: readonly string[];
  readonly ledger?: string;
  /** The token of `client`. */
  readonly token?: string;
}

/** Keeps the names of the methods that the page called and that are not over. */
export function followCalls(page: Page, openCalls: Map<object, string>): void {
  page.on('request', (request) => {
    const method = /OrderNumberService\/(\w+)$/.exec(request.url())?.[1];
    if (method !== undefined) openCalls.set(request, method);
  });
  page.on('requestfinished', (request) => void openCalls.delete(request));
  page.on('requestfailed', (request) => void openCalls.delete(request));
}

/** The streams among them, in the order of the alphabet. */
export function openStreams(openCalls: ReadonlyMap<object, string>): string[] {
  return [...openCalls.values()].filter((method) => /^Watch|^Verify/.test(method)).toSorted();
}

/** A new page with nothing stored. */
export async function newPage(options: BrowserContextOptions = {}): Promise<Page> {
  browser ??= chromium.launch({ executablePath: toolPath('chromium'), args: FLAGS });
  const context = await (await browser).newContext({ viewport: DESKTOP, timezoneId: 'Europe/Berlin', ...options });
  onTestFinished(() => context.close());
  context.setDefaultTimeout(PATIENCE_MS);
  return context.newPage();
}
