import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../until.ts';
import { PostgresCluster } from './cluster.ts';
import { newDatabase } from '../database.ts';
import { isRunning } from './processes.ts';
import { commitAwaitsStandby } from '../standby-wait.ts';

/** One for all tests, because a cluster takes its time: each leaves it running, but for the last. */
let cluster: PostgresCluster;

beforeAll(async () => {
  cluster = await PostgresCluster.start({ settings: { max_connections: '17' } });
});

afterAll(() => cluster.close());

describe('one server', () => {
  it('runs with the given settings, and waits for the disk', async () => {
    const rows = await cluster.query(`select setting from pg_settings where name in ('fsync', 'max_connections')`);
    expect(rows).toEqual([{ setting: 'on' }, { setting: '17' }]);
  });

  it('stops, and starts again on the same port with the same data', async () => {
    const { port } = cluster;
    const table = await newTable();
    await cluster.query(`insert into ${table} values (9007199254740993)`);
    await cluster.stop();
    await expect(cluster.query('select 1')).rejects.toThrow('ECONNREFUSED');
    await cluster.restart();
    expect(cluster.port).toBe(port);
    expect(await cluster.query(`select id from ${table}`)).toEqual([{ id: 9007199254740993n }]);
  });

  it('has every acknowledged row after a kill and a restart', async () => {
    const writer = await Writer.start(cluster);
    await writer.acknowledges(50);
    await cluster.kill();
    await writer.failed;
    await cluster.restart();
    expect(await writer.missingIn(cluster)).toEqual([]);
  });

  it('answers nothing while it is paused', async () => {
    await cluster.pause();
    let answered = false;
    const answer = cluster.query('select 1 as one').finally(() => (answered = true));
    // A server that runs answers in less time than a new database takes.
    await newDatabase();
    expect(answered).toBe(false);
    cluster.resume();
    expect(await answer).toEqual([{ one: 1 }]);
  });

  it('changes a setting for sessions old and new', async () => {
    const session = await connect(cluster);
    await cluster.setting('work_mem', '5MB');
    expect((await session.query('show work_mem')).rows).toEqual([{ work_mem: '5MB' }]);
    expect(await cluster.query('show work_mem')).toEqual([{ work_mem: '5MB' }]);
  });
});

describe('a standby', () => {
  let standby: PostgresCluster;

  beforeAll(async () => {
    standby = await cluster.makeStandby('standby');
  });

  it('receives what its primary writes, and accepts no writes itself', async () => {
    const table = await newTable();
    await until('the table is on the standby', async () => {
      const [row] = await standby.query(`select to_regclass('${table}') is not null as there`);
      return row?.['there'] === true;
    });
    await expect(standby.query(`insert into ${table} values (1)`)).rejects.toThrow('read-only transaction');
  });

  it('holds back a commit while it is required and paused', async () => {
    const table = await newTable();
    await cluster.requireSync('standby');
    await standby.pause();
    let acknowledged = false;
    const commit = cluster.query(`insert into ${table} values (1)`).then(() => (acknowledged = true));
    await commitAwaitsStandby(cluster);
    expect(acknowledged).toBe(false);
    expect(await cluster.query(`select from ${table}`)).toEqual([]);
    standby.resume();
    await commit;
    expect(await cluster.query(`select id from ${table}`)).toEqual([{ id: 1n }]);
  });

  it('holds back nothing once it is no longer required', async () => {
    const table = await newTable();
    await cluster.requireSync('standby');
    await standby.kill();
    await cluster.requireSync();
    expect(await cluster.query(`insert into ${table} values (1) returning id`)).toEqual([{ id: 1n }]);
    await standby.restart();
    await cluster.streamsTo('standby');
  });

  it('has every acknowledged row when promoted after a kill of its primary, and gets a standby of its own', async () => {
    await cluster.requireSync('standby');
    await cluster.syncsTo('standby');
    const writer = await Writer.start(cluster);
    await writer.acknowledges(50);
    await cluster.kill();
    await writer.failed;
    await standby.promote();
    expect(await writer.missingIn(standby)).toEqual([]);

    await cluster.discard();
    const next = await standby.makeStandby('next');
    await standby.requireSync('next');
    await standby.query('create table refund (id bigint)');
    expect(await next.query(`select pg_is_in_recovery() as "isStandby"`)).toEqual([{ isStandby: true }]);
  });
});

describe('leftovers', () => {
  it('are removed when the process was killed, even those of a paused server', async () => {
    const module = new URL('cluster.ts', import.meta.url).href;
    const script = `
      const { PostgresCluster } = await import('${module}');
      const cluster = await PostgresCluster.start();
      const [server] = await cluster.query(
        "select current_setting('data_directory') as folder, split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as pid");
      await cluster.pause();
      console.log(JSON.stringify(server));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { folder, pid } = JSON.parse(line) as { readonly folder: string; readonly pid: number };
    expect(isRunning(pid)).toBe(true);
    child.kill('SIGKILL');
    await until('its server and its data are gone', () => !isRunning(pid) && !existsSync(folder));
  });
});

/** Writes 1, 2, 3, … into a table of its own, a commit each, and knows what was acknowledged. */
class Writer {
  readonly failed: Promise<void>;
  readonly #table: string;
  #acknowledged = 0;

  private constructor(client: Client, table: string) {
    this.#table = table;
    this.failed = this.#write(client);
  }

  static async start(server: PostgresCluster): Promise<Writer> {
    const table = await newTable();
    return new Writer(await connect(server), table);
  }

  acknowledges(count: number): Promise<void> {
    return until(`${count} rows are acknowledged`, () => this.#acknowledged >= count);
  }

  /** What was acknowledged and is not there. */
  async missingIn(server: PostgresCluster): Promise<readonly bigint[]> {
    const there = new Set((await server.query(`select id from ${this.#table}`)).map(({ id }) => id));
    const acknowledged = Array.from({ length: this.#acknowledged }, (_, index) => BigInt(index + 1));
    return acknowledged.filter((id) => !there.has(id));
  }

  async #write(client: Client): Promise<void> {
    try {
      for (;;) {
        await client.query(`insert into ${this.#table} values ($1)`, [this.#acknowledged + 1]);
        this.#acknowledged++;
      }
    } catch {
      // The server is gone, which is what this is for.
    }
  }
}

let tables = 0;

async function newTable(): Promise<string> {
  const table = `sale_${++tables}`;
  await cluster.query(`create table ${table} (id bigint)`);
  return table;
}

async function connect(server: PostgresCluster): Promise<Client> {
  const client = new Client({ connectionString: server.url() });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}
