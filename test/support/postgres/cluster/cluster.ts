import { appendFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { memoryFolder } from '../../disk/memory-folder.ts';
import { reusablePort } from '../../network/reusable-port.ts';
import { until } from '../../until.ts';
import { backUp } from './base-backup.ts';
import { installation, newFolder } from './installation.ts';
import { Postmaster } from './postmaster.ts';
import type { Programs } from './programs.ts';
import { run } from './programs.ts';
import type { Row } from '../query.ts';
import { query, withClient } from '../query.ts';
import { removeLeftovers, removeAtExit } from './leftovers.ts';

const ACCEPTS = /database system is ready to accept (read-only )?connections/;
const ACCEPTS_WRITES = /database system is ready to accept connections/;

/** What a test waits for comes sooner; nothing here makes a commit less durable. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_retrieve_retry_interval: '100ms',
  // A standby that was away finds what it missed.
  wal_keep_size: '256MB',
};

export interface ClusterOptions {
  /** Beside those of a real server, for postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where the folder of its data is created, and those of its standbys; in memory, if there is room, unless given. */
  readonly folder?: string;
}

/**
 * For the data of a run. In memory a cluster comes and goes in a third of the time; what a killed process has written
 * stays there as it does in a disk's cache.
 */
const ROOM_BYTES = 4 * 1024 ** 3;

/** The variable that names a folder of data to copy, which is faster than initdb by far; for this process and its children. */
export const TEMPLATE_VARIABLE = 'ORDER_NUMBERS_POSTGRES_TEMPLATE';

/**
 * A real PostgreSQL server with data of its own, on 127.0.0.1, to be killed, paused, copied and promoted. Close
 * it; otherwise it ends with the process that started it, however that one ends.
 */
export class PostgresCluster {
  readonly #programs: Programs;
  readonly #folder: string;
  readonly #data: string;
  #port = reusablePort();
  #postmaster: Postmaster | undefined;
  readonly #standbys: PostgresCluster[] = [];

  private constructor(programs: Programs, parent = memoryFolder(ROOM_BYTES)) {
    this.#programs = programs;
    this.#folder = newFolder(programs.user, parent);
    this.#data = join(this.#folder, 'data');
    this.#remember();
  }

  /** Resolves when it accepts connections, from the superuser `postgres`, without a password. */
  static async start({ settings = {}, folder }: ClusterOptions = {}): Promise<PostgresCluster> {
    const programs = await installation();
    const cluster = new PostgresCluster(programs, folder);
    const template = process.env[TEMPLATE_VARIABLE];
    if (template === undefined) await initialize(programs, cluster.#data, cluster.#folder);
    else await run(programs, 'cp', ['-R', template, cluster.#data], cluster.#folder);
    const lines = Object.entries({ ...SETTINGS, ...settings }).map(([name, value]) => `${name} = '${value}'\n`);
    appendFileSync(join(cluster.#data, 'postgresql.conf'), lines.join(''));
    await cluster.#startOnFreePort();
    return cluster;
  }

  /** Makes data that {@link TEMPLATE_VARIABLE} may name; removed when this process ends. */
  static async makeTemplate(): Promise<string> {
    const programs = await installation();
    const folder = newFolder(programs.user, memoryFolder(ROOM_BYTES));
    removeAtExit({ folder });
    const data = join(folder, 'data');
    await initialize(programs, data, folder);
    return data;
  }

  /** The folder in which its own was created. */
  get parent(): string {
    return dirname(this.#folder);
  }

  /** Whether there is a process; it ends by itself if it cannot go on. */
  get isRunning(): boolean {
    return this.#postmaster?.isRunning === true;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  url(database = 'postgres', user = 'postgres'): string {
    return `postgres://${user}@${this.address}/${database}`;
  }

  /** Asks on a connection of its own; the rows, with int8 as bigint. */
  query(sql: string, database?: string): Promise<Row[]> {
    return query(this.url(database), sql);
  }

  /** Changes a setting for all sessions, old and new; resolves when it is in effect. */
  async setting(name: string, value: string): Promise<void> {
    const loadedAt = 'select pg_conf_load_time()::text as at';
    const [before] = await this.query(loadedAt);
    await this.query(`alter system set ${escapeIdentifier(name)} = ${escapeLiteral(value)}`);
    await this.query('select pg_reload_conf()');
    await until(`${name} is loaded`, () =>
      withClient(this.url(), async (client) => {
        // A new session has what the first process has; that one has told all others, then.
        const { rows } = await client.query<Row>(loadedAt);
        if (rows[0]!['at'] === before!['at']) return false;
        // One of them, the checkpointer, tells the sessions whether commits wait for standbys, and looks at
        // its settings before it begins a checkpoint.
        await client.query('checkpoint');
        return true;
      }),
    );
  }

  /** From now on a commit waits for all of these standbys, or for none if none is named. */
  async requireSync(...names: readonly string[]): Promise<void> {
    const quoted = names.map((name) => escapeIdentifier(name));
    await this.setting('synchronous_standby_names', names.length > 0 ? `FIRST ${names.length} (${quoted})` : '');
  }

  /** Resolves when this standby has caught up and gets everything as it is written. */
  async streamsTo(name: string): Promise<void> {
    await this.#shows(name, `state = 'streaming'`);
  }

  /** Resolves when, beside that, commits wait for it. */
  async syncsTo(name: string): Promise<void> {
    await this.#shows(name, `state = 'streaming' and sync_state in ('sync', 'quorum')`);
  }

  /**
   * A new server that streams from this one, under this name; closed along with it. Instead of a former primary
   * that is to be a standby of the promoted one, discard it and make a new standby.
   * @param primary where it finds this one: a proxy's address, if the network between them is to fail
   * @param folder where its folder is created; beside this one's, unless given
   */
  async makeStandby(name: string, primary = this.address, folder = this.parent): Promise<PostgresCluster> {
    const standby = new PostgresCluster(this.#programs, folder);
    this.#standbys.push(standby);
    const [host, port] = primary.split(':');
    const connection = `host=${host} port=${port} user=postgres application_name=${name}`;
    await backUp(this.#programs, this.url(), this.#data, standby.#data, connection);
    await standby.#startOnFreePort();
    await this.streamsTo(name);
    return standby;
  }

  /** Makes a standby a primary; resolves when it accepts writes. No commit of it waits for standbys, at first. */
  async promote(): Promise<void> {
    const accepts = this.#running.nextLine(ACCEPTS_WRITES);
    await Promise.all([
      accepts,
      run(this.#programs, this.#programs.pg_ctl, ['promote', '-W', '-D', this.#data], this.#data),
    ]);
  }

  /** Kill -9 for all of its processes at once; resolves when they are dead. */
  async kill(): Promise<void> {
    await this.#postmaster?.kill();
    this.#remember();
  }

  /** Ends its sessions and itself in good order, when its standbys have everything. */
  async stop(): Promise<void> {
    await this.#postmaster?.stop();
    this.#remember();
  }

  /** Starts again after {@link kill} or {@link stop}: the same data, the same port. */
  async restart(): Promise<void> {
    if (this.#postmaster?.isRunning) throw new Error('it runs: kill or stop it first');
    await this.#launch();
  }

  /** Stops all of its processes, and its connections with them. */
  async pause(): Promise<void> {
    await this.#running.pause();
  }

  /** Goes on after {@link pause}. */
  resume(): void {
    this.#running.resume();
  }

  /** The next line of its log that matches; rejects when it ends without it. */
  nextLine(pattern: RegExp): Promise<void> {
    return this.#running.nextLine(pattern);
  }

  /** The end of its log, for messages. */
  said(): string {
    return this.#postmaster?.said() ?? '';
  }

  /** Kills it and removes its data; the standbys made from it stay. */
  async discard(): Promise<void> {
    await this.kill();
    await removeLeftovers(this.#leftovers);
  }

  /** Discards it and the standbys made from it, promoted ones and theirs, too. */
  async close(): Promise<void> {
    await Promise.all([this.discard(), ...this.#standbys.map((standby) => standby.close())]);
  }

  get #running(): Postmaster {
    if (!this.#postmaster?.isRunning) throw new Error('it does not run');
    return this.#postmaster;
  }

  async #startOnFreePort(): Promise<void> {
    for (;;) {
      try {
        return await this.#launch();
      } catch (error) {
        if (!/Address already in use/.test(this.said())) throw error;
        this.#port = reusablePort();
      }
    }
  }

  async #launch(): Promise<void> {
    this.#postmaster = await Postmaster.spawn(this.#programs, this.#data, this.#port);
    this.#remember();
    await this.#postmaster.nextLine(ACCEPTS);
  }

  async #shows(name: string, what: string): Promise<void> {
    const sql = `select from pg_stat_replication where application_name = $1 and ${what}`;
    await withClient(this.url(), (client) =>
      until(`${name}: ${what}`, async () => (await client.query(sql, [name])).rowCount === 1),
    );
  }

  get #leftovers() {
    const postmaster = this.#postmaster?.isRunning ? this.#postmaster.pid : undefined;
    return { folder: this.#folder, cluster: { data: this.#data, programs: this.#programs }, postmaster };
  }

  #remember(): void {
    removeAtExit(this.#leftovers);
  }
}

async function initialize(programs: Programs, data: string, cwd: string): Promise<void> {
  const args = ['--no-sync', '--no-instructions', '--auth=trust', '--username=postgres', '--no-locale'];
  await run(programs, programs.initdb, [...args, '--encoding=UTF8', '-D', data], cwd);
}
