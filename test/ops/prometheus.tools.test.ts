import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ROOT } from '../project/documents.ts';
import { connect } from '../support/clients/orders-client.ts';
import { freeAddress } from '../support/network/free-address.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { requireTools, toolPath } from '../support/required-tool.ts';
import { until } from '../support/until.ts';

const FOLDER = join(ROOT, 'ops/prometheus');

it('the configuration of Prometheus and its rules are valid', (test) => {
  requireTools(test, 'promtool');
  expect(promtool('check', 'config', 'prometheus.yaml')).toMatch(/1 rule files found[^]*\d+ rules found/);
});

it('the alerts fire when they should, and only then', (test) => {
  requireTools(test, 'promtool');
  expect(promtool('test', 'rules', 'alerts.test.yaml')).toContain('SUCCESS');
});

it('Prometheus scrapes a server with this configuration, and evaluates every rule', async (test) => {
  requireTools(test, 'prometheus');
  const server = new LocalServer(join(testFolder(), 'orders.db'));
  const { grpc, metrics } = await server.line('serving');
  const client = connect(String(grpc));
  onTestFinished(() => client.close());
  await client.allocateOrder({ storeId: 7n, requestId: 'a' });
  const api = await startPrometheus(String(metrics));
  const query = async (expression: string) => {
    const answer = await ask(`${api}/query?query=${encodeURIComponent(expression)}`);
    return (answer as { result: { value: [number, string] }[] }).result.map(({ value }) => value[1]);
  };
  await until('it has scraped the server', async () => (await query('order_numbers_last_order_id')).length === 1);
  expect(await query('order_numbers_last_order_id{job="order-numbers"}')).toEqual(['1']);
  const rules = async () =>
    (
      (await ask(`${api}/rules`)) as { groups: { rules: { name: string; health: string; state?: string }[] }[] }
    ).groups.flatMap((group) => group.rules);
  await until('all rules are evaluated', async () => (await rules()).every(({ health }) => health !== 'unknown'));
  expect((await rules()).filter(({ health, state }) => health !== 'ok' || state === 'firing')).toEqual([]);
});

function promtool(...args: string[]): string {
  return execFileSync(toolPath('promtool'), args, { cwd: FOLDER, encoding: 'utf8' });
}

/** Starts Prometheus with this configuration, on one server, every second. Resolves to the URL of its API. */
async function startPrometheus(target: string): Promise<string> {
  const folder = testFolder();
  cpSync(FOLDER, folder, { recursive: true });
  const file = join(folder, 'prometheus.yaml');
  const text = readFileSync(file, 'utf8').replaceAll('15s', '1s').replace('127.0.0.1:9464', target);
  writeFileSync(file, text);
  const listen = await freeAddress();
  const flags = [`--config.file=${file}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${listen}`];
  const prometheus = spawn(toolPath('prometheus'), flags, { stdio: 'ignore' });
  onTestFinished(async () => {
    prometheus.kill('SIGKILL');
    if (prometheus.exitCode === null && prometheus.signalCode === null) await once(prometheus, 'exit');
  });
  const isReady = () =>
    fetch(`http://${listen}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until('Prometheus is ready', isReady);
  return `http://${listen}/api/v1`;
}

async function ask(url: string): Promise<unknown> {
  return ((await (await fetch(url)).json()) as { data: unknown }).data;
}
