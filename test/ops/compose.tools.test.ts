import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SERVE_SETTINGS } from '../../src/server/settings.ts';
import { ROOT } from '../project/documents.ts';
import { requireTools, toolPath } from '../support/required-tool.ts';

/** The part of a compose file, once it is interpolated and merged, that is looked at here. */
interface Project {
  readonly services: Readonly<Record<string, Service>>;
  readonly configs: Readonly<Record<string, { readonly file?: string }>>;
}

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
}

it('compose.yaml is what the Compose Specification allows, and names files and settings that exist', (test) => {
  requireTools(test, 'compose-spec');
  const text = execFileSync(toolPath('compose-spec'), ['-format', 'json', 'compose.yaml'], {
    cwd: join(ROOT, 'ops'),
    encoding: 'utf8',
  });
  const { services, configs } = JSON.parse(text) as Project;
  const files = [
    ...Object.values(services).flatMap(({ build }) => (build ? [join(build.context, build.dockerfile)] : [])),
    ...Object.values(configs).flatMap(({ file }) => file ?? []),
  ];
  expect(files).toContain(join(ROOT, 'ops/Containerfile'));
  expect(files.filter((file) => !existsSync(file))).toEqual([]);

  const settings = new Map(Object.values(SERVE_SETTINGS).map((setting) => [setting.variable, setting]));
  const servers = Object.entries(services).filter(([name]) => name.startsWith('server-'));
  expect(servers).toHaveLength(2);
  for (const [, { environment = {} }] of servers) {
    const own = Object.entries(environment).filter(([name]) => !name.startsWith('ORDERS_CLIENT_'));
    for (const [name, value] of own) expect(() => settings.get(name)!.parse(value)).not.toThrow();
  }
});
