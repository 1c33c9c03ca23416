import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { orderNumbers } from '../support/processes/order-numbers-command.ts';

const ONE_LINE =
  /^order-numbers needs Node\.js 22\.18 or newer [^\n]*, but this is \d+\.\d+\.\d+: [^\n]*`make run`[^\n]*\n$/;

/** Says it is Node 20, and prints what is loaded to standard output. */
const PRETEND = `
  import { registerHooks } from 'node:module';
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2', napi: '9' } });
  registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });
`;

it('on an older Node.js one line names the required version before anything else is loaded', async () => {
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(PRETEND)}`];
  const { exitCode, stdout, stderr } = await orderNumbers(['serve'], { nodeArgs });
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(ONE_LINE);
  expect(stdout).toMatch(/^file:\/\/[^\n]*\/src\/cli\/order-numbers\.js\n$/);
});

it.each(['22.17.9', '23.5.0', '18.20.0'])('Node.js %s is too old', async (version) => {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`];
  const { exitCode, stderr } = await orderNumbers(['--help'], { nodeArgs });
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(ONE_LINE);
});

it.each(['22.18.0', '23.6.0', '24.0.0'])('Node.js %s is new enough', async (version) => {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`];
  expect(await orderNumbers(['--help'], { nodeArgs })).toMatchObject({ exitCode: 0, stderr: '' });
});

// A real older Node.js, if this machine happens to have one.
it.each(olderNodes())('the older Node.js $version of this machine gets that line', async ({ path, version }) => {
  const { exitCode, stdout, stderr } = await orderNumbers(['serve'], { node: path });
  expect(exitCode).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(ONE_LINE);
  expect(stderr).toContain(version);
});

function olderNodes(): { path: string; version: string }[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const paths = folders.map((folder) => join(folder, 'node')).filter((path) => existsSync(path));
  const found = paths.map((path) => ({
    path,
    version: execFileSync(path, ['--version'], { encoding: 'utf8' }).slice(1).trim(),
  }));
  const older = found.filter(({ version }) => {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return major < 22 || (major === 22 && minor < 18);
  });
  // The same one may be in several folders of the path.
  return [...new Map(older.map((node) => [node.version, node])).values()];
}
