import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { documentAt, ROOT, tableRows } from '../project/documents.ts';

// That the rules are right is tested by promtool: see prometheus.tools.test.ts.

const RULES = readFileSync(`${ROOT}ops/prometheus/alerts.yaml`, 'utf8');
const RULE_TESTS = readFileSync(`${ROOT}ops/prometheus/alerts.test.yaml`, 'utf8');
const ALERTS = [...RULES.matchAll(/- alert: (\w+)\n[^]*?severity: (\w+)/g)].map(([, name, severity]) => [
  name,
  severity,
]);
const ROWS = tableRows(documentAt('docs/metrics.md')).map((cells) => cells.slice(1));

it('each alert is in metrics.md with its severity, and no other', () => {
  expect(ROWS.filter(([name]) => name!.startsWith('OrderNumbers')).map((cells) => cells.slice(0, 2))).toEqual(ALERTS);
});

it('each alert fires in one test of its rules, and is silent in another', () => {
  const checks = [...RULE_TESTS.matchAll(/- alertname: (\w+)\n +eval_time: \w+\n( +exp_alerts:)?/g)];
  const tested = (fires: boolean) =>
    new Set(checks.filter(([, , alerts]) => Boolean(alerts) === fires).map((check) => check[1]));
  const names = new Set(ALERTS.map(([name]) => name));
  expect(tested(true)).toEqual(names);
  expect(tested(false)).toEqual(names);
});

it('the rules ask for metrics that metrics.md has, and so a server', () => {
  const asked = [...RULES.matchAll(/(?<![\w:])(?:order_numbers|process)_\w+/g)].map(([name]) =>
    name.replace(/_bucket$/, ''),
  );
  const known = new Set(ROWS.map(([name]) => name));
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
});
