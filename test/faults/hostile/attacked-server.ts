import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readLedger } from '../../support/ledgers/density.ts';
import { AUTHORITY, SIGNED } from '../../support/network/certificates.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { entryOf, tokenOf, writeTokens } from '../../support/security/tokens.ts';
import type { Verdict } from '../history/check-history.ts';
import { checkHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Load } from '../history/load.ts';
import type { Defence } from './attacks/all-attacks.ts';
import { RunningAttack } from './attacks/attacker.ts';
import { patchedBy } from './patched-by.ts';

const MIB = 1024 * 1024;
/** Memory of the server above what it used before, at most: during an attack, and soon after it. */
export const MAX_MORE_MIB = 256;
export const MAX_LEFT_MIB = 128;
/** How long it may take until memory is back; what is collected late is no leak. */
const BACK_MS = 90_000;
/** Under attack the honest clients may take this many times as long as before, plus this much more. */
const MAX_SLOWDOWN = 100;
const MAX_DELAY_MS = 60_000;
const LOOK_MS = 250;
/** The level of a line of the log that an operator should look at. */
const ERROR = 50;
const TOKEN = tokenOf('honest');
const HONEST_STORES = [1n, 2n, 3n, 4n, 5n];

export interface AttackedOptions {
  readonly defence?: Defence;
  /** The protections that the server is without, by their names in without.ts. */
  readonly without?: readonly string[];
  /** Answers of the honest clients before the first attack. */
  readonly warmUp?: number;
  /** Decides what the honest clients ask for. */
  readonly seed?: number;
}

/** A server in a process of its own, with exactly-once clients at work, that is attacked. */
export class AttackedServer {
  readonly history = new History();
  readonly load: Load;
  readonly address: string;
  readonly http: string;
  readonly #metrics: string;
  readonly #server: ServerProcess;
  readonly #ended: Promise<number | string>;
  readonly #ledger: string;
  readonly #defence: Defence;

  private constructor(
    server: ServerProcess,
    ledger: string,
    addresses: Readonly<Record<string, unknown>>,
    { defence, seed }: Required<Pick<AttackedOptions, 'defence' | 'seed'>>,
  ) {
    this.#server = server;
    this.#ended = server.exit();
    this.#ledger = ledger;
    this.#defence = defence;
    this.address = String(addresses['grpc']);
    this.http = String(addresses['http']);
    this.#metrics = String(addresses['metrics']);
    this.load = new Load({
      history: this.history,
      addresses: [this.address],
      stores: HONEST_STORES,
      seed,
      callers: 2,
      client: {
        ...(defence === 'tokens' && { token: TOKEN }),
        ...(defence === 'tls' && { tls: { ca: AUTHORITY.cert } }),
      },
    });
  }

  /** Resolves when the honest clients are at work, and the server has the memory that this takes. */
  static async start(options: AttackedOptions = {}): Promise<AttackedServer> {
    const { defence = 'open', without = [], warmUp = 3000, seed = 1 } = options;
    const folder = testFolder();
    const ledger = join(folder, 'orders.db');
    const server = new ServerProcess(ledger, {
      http: true,
      args: argsOf(defence, folder),
      ...(without.length > 0 && { env: { NODE_OPTIONS: `--import=${patchedBy(without)}` } }),
    });
    const attacked = new AttackedServer(server, ledger, await server.line('serving'), { defence, seed });
    await attacked.load.answers(warmUp);
    return attacked;
  }

  /**
   * Attacks until the honest clients have this many answers and the attack did something this often. Returns how often
   * it did, and a sentence for each bound that did not hold.
   */
  async under(
    name: string,
    answers: number,
    times: number,
    seed: number,
  ): Promise<{ readonly did: number; readonly broken: string[] }> {
    const before = await this.memoryMiB();
    const usualMs = await this.#timeOf(answers);
    const attack = new RunningAttack({ name, grpc: this.address, http: this.http, seed });
    const broken: string[] = [];
    let isOver = false;
    const isDone = Promise.all([this.#timeOf(answers), this.#reaches(attack, times, () => isOver)]).then(() => 'held');
    const limitMs = usualMs * MAX_SLOWDOWN + MAX_DELAY_MS;
    const limit = delay(limitMs, `no ${answers} answers in ${Math.round(limitMs)} ms`, { ref: false });
    const watching = this.#watchMemory(before, () => isOver);
    const died = this.#ended.then((code) => `the server ended with ${code}: ${this.#server.said().slice(-2000)}`);
    const says = await Promise.race([isDone, limit, watching, attack.failed, died]);
    isOver = true;
    await attack.end();
    const { did } = attack;
    if (says !== 'held') broken.push(`${name}: ${says}, after ${did}`);
    else broken.push(...(await this.#comesBack(name, before)));
    return { did, broken };
  }

  /** Stops the honest clients, and compares what they were told with the ledger. */
  async end(): Promise<Verdict> {
    await this.load.stop();
    const errors = this.#server.log.filter(({ level }) => level >= ERROR);
    for (const line of errors) this.history.contradict(`the server logged ${JSON.stringify(line)}`);
    if (this.#server.stderr !== '') this.history.contradict(`the server wrote ${this.#server.stderr}`);
    const code = await this.#server.stop();
    if (code !== 0) this.history.contradict(`the server ended with ${code}`);
    const contents = readLedger(this.#ledger);
    for (const row of contents.rows) {
      if (HONEST_STORES.includes(row.store_id)) continue;
      if (this.#defence !== 'open') this.history.contradict(`a stranger got order_id ${row.order_id}`);
      const asked = { storeId: row.store_id, requestId: row.request_id, count: Number(row.count) };
      this.history.begin('an attacker', asked, 0);
    }
    return checkHistory(this.history, contents);
  }

  /** Ends a server that has shown what it cannot take. */
  async kill(): Promise<void> {
    this.load.leave();
    await this.#server.kill();
  }

  /** In use by the server. */
  async memoryMiB(): Promise<number> {
    const page = await (await fetch(`http://${this.#metrics}/metrics`)).text();
    return Number(/^process_resident_memory_bytes (\S+)/m.exec(page)?.[1]) / MIB;
  }

  async #timeOf(answers: number): Promise<number> {
    const start = performance.now();
    await this.load.answers(answers);
    return performance.now() - start;
  }

  async #reaches(attack: RunningAttack, times: number, isOver: () => boolean): Promise<void> {
    while (attack.did < times && !isOver()) await delay(LOOK_MS);
  }

  /** Resolves only if the server uses too much. */
  async #watchMemory(before: number, isOver: () => boolean): Promise<string> {
    while (!isOver()) {
      const more = (await this.memoryMiB().catch(() => 0)) - before;
      if (more > MAX_MORE_MIB) return `it takes ${Math.round(more)} MiB of memory`;
      await delay(LOOK_MS);
    }
    return new Promise<never>(() => {});
  }

  async #comesBack(name: string, before: number): Promise<readonly string[]> {
    const start = performance.now();
    let left = Infinity;
    while (performance.now() - start < BACK_MS) {
      left = (await this.memoryMiB()) - before;
      if (left <= MAX_LEFT_MIB) return [];
      await delay(LOOK_MS);
    }
    return [`${name}: it leaves ${Math.round(left)} MiB of memory behind`];
  }
}

function argsOf(defence: Defence, folder: string): readonly string[] {
  if (defence === 'tls') return ['--tls-cert', SIGNED.certFile, '--tls-key', SIGNED.keyFile];
  if (defence === 'open') return [];
  const tokens = join(folder, 'tokens.json');
  writeTokens(tokens, entryOf(TOKEN));
  return ['--tokens', tokens];
}
