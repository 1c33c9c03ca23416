import { tmpdir } from 'node:os';
import { onTestFinished } from 'vitest';
import type { ClientOptions, OrderNumbersClient } from '../../../src/client/index.ts';
import { createClient } from '../../../src/client/index.ts';
import { memoryFolder } from '../../support/disk/memory-folder.ts';
import type { DenseRow } from '../../support/ledgers/dense-rows.ts';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { isBatch } from '../../support/postgres/batch-query.ts';
import { PostgresCluster } from '../../support/postgres/cluster/cluster.ts';
import { assertDense } from '../../support/postgres/density.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';
import { until } from '../../support/until.ts';
import { Balancer, TcpProxy } from '../../support/network/tcp-proxy.ts';

const DATABASE = 'orders';
const STANDBY = 'standby';
const STANDBY_ROOM_BYTES = 1024 ** 3;
const IS_OLD = /is an old primary/;
const GRPC_ALONE = ['--http-listen', 'off', '--metrics-listen', 'off'];

export interface LabOptions {
  readonly servers: number;
  /** Whether commits wait for the standby; only a control test says no. */
  readonly isSynchronous?: boolean;
  /** Where the first primary has its data, if not with its standby. */
  readonly primaryFolder?: string;
  /** Settings of the first primary. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Changes of the source of the servers; only a control has some. */
  readonly patches?: readonly Patch[];
}

/** A primary that was not fenced when its standby was promoted. */
export interface OldPrimary {
  /** Servers reach it again, while they lose the new one; resolves when each has refused it and reaches the new one. */
  comesBack(): Promise<void>;
  isGone(): Promise<void>;
}

/**
 * A primary and its standby, servers that share the ledger on them, and the networks in between: servers know two hosts,
 * each behind a proxy; callers know one address, a balancer in front of all servers.
 */
export class FailoverLab {
  readonly #isSynchronous: boolean;
  readonly #isApart: boolean;
  readonly #patches: readonly Patch[];
  primary: PostgresCluster;
  standby!: PostgresCluster;
  /** From the servers to PostgreSQL: first to the primary, then to the standby. */
  #ways: readonly [TcpProxy, TcpProxy];
  /** From the standby to the primary. */
  replication!: TcpProxy;
  readonly #url: string;
  servers: ServerProcess[] = [];
  readonly #balancer: Balancer;

  private constructor(
    primary: PostgresCluster,
    ways: readonly [TcpProxy, TcpProxy],
    balancer: Balancer,
    { isSynchronous = true, primaryFolder, patches = [] }: LabOptions,
  ) {
    this.#patches = patches;
    this.#isApart = primaryFolder !== undefined;
    this.primary = primary;
    this.#ways = ways;
    this.#balancer = balancer;
    this.#isSynchronous = isSynchronous;
    const [first, second] = ways;
    this.#url = `postgres://postgres@${first.address},${second.address}/${DATABASE}`;
  }

  /** Resolves when all servers serve; closed when the test ends. */
  static async start(options: LabOptions): Promise<FailoverLab> {
    const { primaryFolder: folder, settings = {} } = options;
    const primary = await PostgresCluster.start({ settings, ...(folder === undefined ? {} : { folder }) });
    onTestFinished(() => primary.close());
    await primary.query(`create database ${DATABASE}`);
    const [way, otherWay, balancer] = await Promise.all([
      TcpProxy.start(primary.address),
      TcpProxy.start('127.0.0.1:1'),
      Balancer.start([]),
    ]);
    const lab = new FailoverLab(primary, [way, otherWay], balancer, options);
    onTestFinished(() => lab.#close());
    await lab.makeStandby();
    await Promise.all(Array.from({ length: options.servers }, () => lab.startServer()));
    return lab;
  }

  /** One address for all servers: a balancer's. */
  get address(): string {
    return this.#balancer.address;
  }

  /** A client of all servers, through the balancer; closed when the test ends. */
  client(options: Partial<ClientOptions> = {}): OrderNumbersClient {
    const client = createClient({ address: this.#balancer.address, timeoutMs: 60_000, ...options });
    onTestFinished(() => client.close());
    return client;
  }

  /** A client of this server alone. */
  async clientOf(
    server: ServerProcess | LocalServer,
    options: Partial<ClientOptions> = {},
  ): Promise<OrderNumbersClient> {
    return this.client({ ...options, address: await server.serving() });
  }

  /** Resolves when it serves. */
  async startServer(): Promise<void> {
    const env = this.#patches.length > 0 ? patchedBy(this.#patches) : {};
    const server = new ServerProcess(this.#url, { args: GRPC_ALONE, env });
    await this.#balanceTo(server);
    this.servers.push(server);
  }

  /** One in this process, which nothing kills; resolves when it serves. */
  async startLocalServer(): Promise<LocalServer> {
    const server = new LocalServer(this.#url, { args: GRPC_ALONE });
    await this.#balanceTo(server);
    return server;
  }

  async #balanceTo(server: ServerProcess | LocalServer): Promise<void> {
    const address = await server.serving();
    this.#balancer.targets = [...this.#balancer.targets, address];
  }

  /** Kill -9; the balancer finds out on its own. */
  async killServer(server: ServerProcess): Promise<void> {
    this.servers = this.servers.filter((other) => other !== server);
    const address = await server.serving();
    await server.kill();
    this.#balancer.targets = this.#balancer.targets.filter((target) => target !== address);
  }

  /** Kill -9 for the primary; the standby takes over. Afterwards there is no standby. */
  async failOver(): Promise<void> {
    const old = this.primary;
    await old.kill();
    this.replication.cut();
    await this.standby.promote();
    this.primary = this.standby;
    this.#ways = [this.#ways[1], this.#ways[0]];
    await Promise.all([old.discard(), this.replication.close()]);
  }

  /** The standby takes over while the old primary, which servers no longer reach, goes on. */
  async failOverBeside(): Promise<OldPrimary> {
    const old = this.primary;
    const [toOld, toNew] = this.#ways;
    toOld.refuse();
    await this.replication.close();
    await this.standby.promote();
    this.primary = this.standby;
    this.#ways = [toNew, toOld];
    return {
      comesBack: async () => {
        const refusals = this.servers.map(({ log }) => ({ log, from: log.length }));
        toNew.refuse();
        await toOld.flow();
        await until('each server refuses the old primary', () =>
          refusals.every(({ log, from }) => log.slice(from).some((line) => IS_OLD.test(JSON.stringify(line)))),
        );
        await toNew.flow();
      },
      isGone: () => old.discard(),
    };
  }

  /** Each server has reached the present primary. */
  async everyServerReads(): Promise<void> {
    for (const server of this.servers) {
      const client = createClient({ address: await server.serving(), timeoutMs: 30_000 });
      await client.getAllocation({ orderId: 1n });
      client.close();
    }
  }

  /** Kill -9 for the primary, then a restart on the same data. */
  async restartPrimary(): Promise<void> {
    await this.primary.kill();
    await this.primary.restart();
  }

  /** Resolves when commits wait for the new standby, if they have to. */
  async makeStandby(): Promise<void> {
    this.replication = await TcpProxy.start(this.primary.address);
    const folder = this.#isApart ? (memoryFolder(STANDBY_ROOM_BYTES) ?? tmpdir()) : this.primary.parent;
    this.standby = await this.primary.makeStandby(STANDBY, this.replication.address, folder);
    this.#ways[1].target = this.standby.address;
    if (!this.#isSynchronous) return;
    await this.primary.requireSync(STANDBY);
    await this.primary.syncsTo(STANDBY);
  }

  /** Loses the answer to the next batch of a server, and its connection, when the batch is committed. */
  cutNextAnswer(): Promise<void> {
    return this.#ways[0].cutAnswerOfNext(isBatch);
  }

  /** Whether the primary has numbers that the standby has not. */
  async isAheadOfStandby(): Promise<boolean> {
    const sql = 'SELECT last_order_id FROM order_numbers.ledger';
    const [ahead] = await this.primary.query(sql, DATABASE);
    const [behind] = await this.standby.query(sql, DATABASE);
    return (ahead!['last_order_id'] as bigint) > (behind!['last_order_id'] as bigint);
  }

  /** Queries the primary directly. */
  query(sql: string): Promise<readonly Record<string, unknown>[]> {
    return this.primary.query(sql, DATABASE);
  }

  /** The rows of the ledger, read directly; asserts that they are dense. */
  rows(): Promise<readonly DenseRow[]> {
    return assertDense(this.primary.url(DATABASE));
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#ways, this.#balancer, this.replication].map((relay) => relay.close()));
  }
}
