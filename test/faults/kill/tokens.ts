import { createClient } from '../../../src/client/index.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';
import type { History } from '../history/history.ts';

const TIMEOUT_MS = 5_000;

/** The token file of servers that are killed: a token of the callers, which stays, and one that is replaced. */
export class Tokens {
  readonly path: string;
  readonly ofCallers = tokenOf('callers');
  readonly #address: string;
  readonly #history: History;
  #changes = 0;
  /** The token that was created last, and the one before, which is revoked. */
  #created: string | undefined;
  #revoked: string | undefined;

  constructor(path: string, address: string, history: History) {
    this.path = path;
    this.#address = address;
    this.#history = history;
    writeTokens(path, entryOf(this.ofCallers, { name: 'callers' }));
  }

  /** Creates a token and revokes the one before, while no server runs. */
  async change(): Promise<void> {
    const rights = ['--stores', 'all', '--verbs', 'read'];
    const created = await this.#command('create', '--name', nameOf(++this.#changes), ...rights);
    if (this.#created !== undefined) await this.#command('revoke', '--name', nameOf(this.#changes - 1));
    this.#revoked = this.#created;
    this.#created = created.trim();
  }

  /** The server that has started since the change accepts the one token and refuses the other. */
  async check(): Promise<void> {
    if (this.#created !== undefined) {
      const created = this.#created;
      await this.#history.ask('a new token', () => this.#call(created), isWithoutStore);
    }
    const revoked = this.#revoked;
    if (revoked === undefined) return;
    const answer = await this.#history.ask('a revoked token', () => this.#call(revoked).then(() => 'ok'), isRefused);
    if (answer !== undefined) this.#history.contradict('a revoked token was accepted after a restart');
  }

  async #call(token: string): Promise<void> {
    const client = createClient({ address: this.#address, token, timeoutMs: TIMEOUT_MS });
    try {
      await client.getStore(1n);
    } finally {
      client.close();
    }
  }

  async #command(verb: string, ...flags: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await localOrderNumbers(['token', verb, '--tokens', this.path, ...flags]);
    if (exitCode !== 0) throw new Error(`order-numbers token ${verb} ended with ${exitCode}: ${stderr}`);
    return stdout;
  }
}

/** The name of the token after this many changes. */
function nameOf(change: number): string {
  return `operator-${change}`;
}

/** What a caller with rights is told of a store that has no orders yet. */
function isWithoutStore(says: string): boolean {
  return says.startsWith('NOT_FOUND');
}

function isRefused(says: string): boolean {
  return says.startsWith('UNAUTHENTICATED');
}
