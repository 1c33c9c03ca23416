import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SERVE_SETTINGS } from '../../src/server/settings.ts';
import { ROOT } from '../project/documents.ts';

// containerfile.tools.test.ts lints it. Where there is a container engine, `docker build` is the test.

const TEXT = readFileSync(`${ROOT}ops/Containerfile`, 'utf8');
const SEEN = readFileSync(`${ROOT}ops/Containerfile.dockerignore`, 'utf8');
const MANIFEST = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
  readonly devDependencies: Readonly<Record<string, string>>;
};

it('the image has the Node.js that the tests run on, in both stages', () => {
  const images = [...TEXT.matchAll(/^FROM node:([\d.]+)-trixie-slim/gm)].map((match) => match[1]);
  expect(images).toEqual([MANIFEST.devDependencies['node'], MANIFEST.devDependencies['node']]);
});

it('what is copied exists, and the build sees it and nothing more', () => {
  const copied = [...TEXT.matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap((match) => match[1]!.split(' '));
  expect(copied.filter((path) => !existsSync(ROOT + path))).toEqual([]);
  const seen = [...SEEN.matchAll(/^!(.+)$/gm)].map((match) => match[1]!);
  expect(seen.toSorted()).toEqual(copied.toSorted());
});

it('its variables are settings with valid values, and its ports those that it listens on', () => {
  const variables = [...TEXT.matchAll(/(ORDERS_\w+)=(\S+)/g)].map(([, name, value]) => ({ name, value: value! }));
  const settings = variables.map(({ name }) => Object.values(SERVE_SETTINGS).find(({ variable }) => variable === name));
  expect(variables).toHaveLength(4);
  for (const [i, setting] of settings.entries()) expect(() => setting!.parse(variables[i]!.value)).not.toThrow();
  const ports = variables.flatMap(({ value }) => /:(\d+)$/.exec(value)?.[1] ?? []);
  expect(/^EXPOSE (.+)$/m.exec(TEXT)![1]!.split(' ')).toEqual(ports);
});
