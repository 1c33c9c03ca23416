import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ClientOptions, OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import type { Certificate } from '../../support/network/certificates.ts';
import { AUTHORITY, ROTATED, SIGNED } from '../../support/network/certificates.ts';
import { freeAddress } from '../../support/network/free-address.ts';
import { shakeHands } from '../../support/network/tls-client.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';
import { until } from '../../support/until.ts';
import type { History } from '../history/history.ts';
import { pairOf } from '../history/pair.ts';

/** What a guest is told before the token is known, and after it was revoked. */
export function isGuestRefused(refusal: string): boolean {
  return refusal.startsWith('UNAUTHENTICATED');
}

/** A server with TLS and tokens at an address that stays, and what its operator does to it. */
export class Shop {
  readonly folder = testFolder();
  readonly address: string;
  readonly token = newToken();
  readonly #history: History;
  readonly #tokens = join(this.folder, 'tokens.json');
  readonly #certificate = join(this.folder, 'tls.crt');
  readonly #key = join(this.folder, 'tls.key');
  ledger = join(this.folder, 'orders.db');
  #server!: ServerProcess;
  #names = 0;
  #certificates = 0;

  private constructor(address: string, history: History) {
    this.address = address;
    this.#history = history;
    writeTokens(this.#tokens, entryOf(this.token, { name: 'checkout' }));
    this.#put(SIGNED);
  }

  static async open(history: History): Promise<Shop> {
    const shop = new Shop(await freeAddress(), history);
    await shop.start();
    return shop;
  }

  /** What a client of it needs. */
  get options(): ClientOptions {
    return { address: this.address, token: this.token, tls: { ca: AUTHORITY.cert } };
  }

  client(options: Partial<ClientOptions> = {}): OrderNumbersClient {
    const client = createClient({ ...this.options, ...options });
    onTestFinished(() => client.close());
    return client;
  }

  async start(): Promise<void> {
    const args = ['--tls-cert', this.#certificate, '--tls-key', this.#key, '--tokens', this.#tokens];
    const listeners = ['--grpc-listen', this.address, '--http-listen', 'off', '--metrics-listen', 'off'];
    this.#server = new ServerProcess(this.ledger, { args: [...args, ...listeners] });
    await this.#server.serving();
  }

  async kill(): Promise<void> {
    await this.#server.kill();
  }

  /** A token is created, works soon, is revoked, and soon works no longer; its store is its own. */
  async changeTokens(): Promise<void> {
    const name = `guest-${++this.#names}`;
    const created = await this.#command('token create', [
      'token',
      'create',
      ...this.#entry(name),
      '--stores',
      '9',
      '--verbs',
      'allocate',
    ]);
    if (created === undefined) return;
    const client = this.client({ token: created.trim(), combine: false });
    await until('the new token works', () => this.#isAccepted(client, name, true));
    await this.#command('token revoke', ['token', 'revoke', ...this.#entry(name)]);
    await until('the revoked token works no longer', async () => !(await this.#isAccepted(client, name, false)));
    client.close();
  }

  #entry(name: string): readonly string[] {
    return ['--tokens', this.#tokens, '--name', name];
  }

  /** The certificate is replaced; open connections stay, and new ones soon have the new one. */
  async changeCertificate(): Promise<void> {
    const isRotated = ++this.#certificates % 2 === 1;
    this.#put(isRotated ? ROTATED : SIGNED);
    const name = isRotated ? 'rotated' : 'signed';
    await this.#history.ask('certificate', () =>
      until(`new connections have the certificate "${name}"`, async () => (await this.#nameShown()) === name),
    );
  }

  /** The name of the certificate that a new connection gets. */
  async #nameShown(): Promise<string> {
    const { socket } = await shakeHands(this.address, { rejectUnauthorized: false });
    return String(socket.getPeerCertificate().subject.CN);
  }

  /** The server stops, its ledger moves, and a server of the moved one takes its place. */
  async moveTo(url: string): Promise<void> {
    await this.move(url);
    this.ledger = url;
    await this.start();
  }

  /** The server stops, and what is in `from` moves. */
  async move(url: string, from = this.ledger): Promise<void> {
    await this.#server.stop();
    await this.#command('migrate', ['migrate', '--from', from, '--to', url]);
  }

  /** An order of a guest: answered, or refused because the token is not known yet, or no longer. */
  async #isAccepted(client: OrderNumbersClient, name: string, isNew: boolean): Promise<boolean> {
    const asked = { storeId: 9n, requestId: `${name}-${isNew ? 'first' : 'last'}`, count: 1 };
    const call = this.#history.begin(name, asked);
    try {
      const answer = await client.allocate(asked);
      this.#history.answered(call, pairOf(answer), answer.replayed);
      return true;
    } catch (error) {
      this.#history.failed(call, error);
      return false;
    }
  }

  #command(what: string, args: readonly string[]): Promise<string | undefined> {
    return this.#history.ask(what, async () => {
      const { exitCode, stdout, stderr } = await localOrderNumbers(args);
      if (exitCode !== 0) throw new Error(stderr.trim());
      return stdout;
    });
  }

  #put({ certFile, keyFile }: Certificate): void {
    for (const [from, to] of [
      [keyFile, this.#key],
      [certFile, this.#certificate],
    ] as const) {
      copyFileSync(from, `${to}.next`);
      renameSync(`${to}.next`, to);
    }
  }
}
