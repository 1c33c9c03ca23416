import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { documentAt } from '../project/documents.ts';
import { freeAddress } from '../support/network/free-address.ts';
import { installation, newFolder } from '../support/postgres/cluster/installation.ts';
import { removeAtExit } from '../support/postgres/cluster/leftovers.ts';
import { assertDense } from '../support/postgres/density.ts';
import { ORDER_NUMBERS, ServerProcess } from '../support/processes/server-process.ts';
import { requireTools } from '../support/required-tool.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

/** Two dozen programs start, and two clusters are copied. */
const TIMEOUT = { timeout: 180_000 };
/** What lines must print, by a part of each. All others only have to succeed. */
const SAYS: readonly (readonly [part: string, says: RegExp])[] = [
  [', state FROM', /db2 +\| streaming/],
  ['sync_state FROM', /db[12] +\| sync\n/],
  ['SHOW synchronous_standby_names', /^-+\n *\n/m],
  ['pg_promote', /^ t$/m],
  ['order-1001', /order id +1\n/],
  ['order-1002', /order id +2\n/],
  ['order-1003', /order id +3\n/],
  ['verify', /no gaps, no duplicates: 3 rows/],
];

it('P1 P4: standby.md, line by line: the primary crashes, and its standby has every number', TIMEOUT, async (test) => {
  requireTools(test, 'pgbench', 'psql');
  const machines = await Machines.start();
  const blocks = [...documentAt('docs/standby.md').text.matchAll(/^ *```sh\n *# (?:on )?(\w+)\n([^]*?)\n *```$/gm)];
  for (const [, machine, lines] of blocks) {
    // The primary's machine is lost before the standby is promoted.
    if (lines!.includes('pg_promote')) await machines.kill('db1');
    for (const line of lines!.split('\n')) await machines.run(machine!, line.trim());
  }
  expect(machines.hasRun.filter((line) => line.includes(' allocate '))).toHaveLength(3);
  expect(await assertDense(machines.here('postgres://order_server@db2/orders'))).toHaveLength(3);
});

/** Two clusters of an installed PostgreSQL on loopback, whose ports stand for machines, and a server. */
class Machines {
  readonly hasRun: string[] = [];
  readonly #folder: string;
  readonly #user: object;
  readonly #ports: Readonly<Record<string, string>>;
  readonly #path = `${globSync('/usr/lib/postgresql/*/bin').toSorted().at(-1)}:${process.env['PATH']}`;
  #server = '';

  private constructor(folder: string, user: object, ports: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#user = user;
    this.#ports = ports;
  }

  /** With an empty primary on db1. */
  static async start(): Promise<Machines> {
    const { user } = await installation();
    const folder = newFolder(user);
    removeAtExit({ folder });
    const machines = new Machines(folder, user ?? {}, { db1: await freePort(), db2: await freePort() });
    await machines.#shell('db1', 'initdb -U postgres -A trust');
    appendFileSync(
      join(folder, 'db1/postgresql.conf'),
      `listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n`,
    );
    await machines.#shell('db1', 'pg_ctl -l "$PGDATA.log" -w start');
    onTestFinished(async () => {
      for (const name of ['db1', 'db2']) await machines.kill(name).catch(() => {});
    });
    return machines;
  }

  /** The line with addresses of this machine. */
  here(line: string): string {
    const at = (name: string) => `127.0.0.1:${this.#ports[name]}`;
    return line
      .replace(/host=(db[12])/, (_, name: string) => `host=127.0.0.1 port=${this.#ports[name]}`)
      .replace(/@(db[12](,db[12])?)\//, (_, hosts: string) => `@${hosts.split(',').map(at).join(',')}/`);
  }

  /** Runs a line, until it says what it has to. */
  async run(machine: string, line: string): Promise<void> {
    this.hasRun.push(line);
    const [, ledger] = /^order-numbers serve --ledger (\S+)$/.exec(this.here(line)) ?? [];
    if (ledger !== undefined) {
      this.#server = await new ServerProcess(ledger).serving();
      return;
    }
    const [, says = /^/] = SAYS.find(([part]) => line.includes(part)) ?? [];
    let said = '';
    const ask = async () => (said = await this.#shell(machine, this.here(line)));
    // What the primary knows of its standbys takes a moment to become true.
    if (line.includes('FROM pg_stat_replication'))
      await until(
        () => said,
        async () => says.test(await ask()),
      );
    else assert.match(await ask(), says, line);
  }

  /** Ends its PostgreSQL without a checkpoint, as a crash does. */
  async kill(name: string): Promise<void> {
    await this.#shell(name, 'pg_ctl -m immediate -w stop');
  }

  async #shell(name: string, line: string): Promise<string> {
    const command = line.replace(/^order-numbers/, `'${process.execPath}' '${ORDER_NUMBERS}'`);
    const env = {
      PATH: this.#path,
      PGHOST: '127.0.0.1',
      PGUSER: 'postgres',
      PGDATABASE: 'postgres',
      PGPORT: this.#ports[name] ?? '',
      PGDATA: join(this.#folder, name),
      ORDERS_SERVER: this.#server,
    };
    const { stdout } = await run('sh', ['-c', command], { ...this.#user, cwd: this.#folder, env });
    return stdout;
  }
}

async function freePort(): Promise<string> {
  return (await freeAddress()).split(':')[1]!;
}
