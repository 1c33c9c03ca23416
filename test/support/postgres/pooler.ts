import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { reusablePort } from '../network/reusable-port.ts';
import { toolPath } from '../required-tool.ts';
import { until } from '../until.ts';
import { installation, newFolder } from './cluster/installation.ts';
import { query } from './query.ts';
import { removeAtExit } from './cluster/leftovers.ts';

/**
 * Starts PgBouncer in transaction mode before a database: each transaction runs on any of two backends. Resolves to the
 * database's URL through it. Ends with the test. Needs pgbouncer.
 */
export async function poolTransactions(url: string): Promise<string> {
  const { user } = await installation();
  const folder = newFolder(user);
  removeAtExit({ folder });
  const { hostname, port, pathname } = new URL(url);
  const listenPort = reusablePort();
  const settings = join(folder, 'pgbouncer.ini');
  writeFileSync(
    settings,
    `[databases]
${pathname.slice(1)} = host=${hostname} port=${port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
auth_type = any
pool_mode = transaction
default_pool_size = 2
min_pool_size = 2
server_round_robin = 1
server_check_delay = 600
unix_socket_dir =
`,
  );
  if (user) chownSync(settings, user.uid, user.gid);
  const pooler: ChildProcess = spawn(toolPath('pgbouncer'), [settings], { ...user, cwd: folder, stdio: 'ignore' });
  onTestFinished(async () => {
    pooler.kill('SIGKILL');
    if (pooler.exitCode === null && pooler.signalCode === null) await once(pooler, 'exit');
  });
  const pooled = `postgres://postgres@127.0.0.1:${listenPort}${pathname}`;
  await until('the pooler answers', () =>
    query(pooled, 'SELECT 1').then(
      () => true,
      () => false,
    ),
  );
  return pooled;
}
