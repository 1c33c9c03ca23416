import { spawn } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { LocalServer } from '../support/processes/local-server.ts';
import { testFolder } from '../support/processes/server-process.ts';
import { documentAt, ROOT } from './documents.ts';

const CLIENTS = documentAt('docs/clients.md');
const RECIPES = documentAt('docs/recipes.md');
/** A file's path in backticks, then a block with its text. */
const SHOWN = /^`(examples\/\S+)`:\n\n```\w+\n([^]*?)^```$/gm;

it.each([
  [CLIENTS.path, CLIENTS, 'examples/{python,go,java/src,php,php/src}/**/*.{py,go,java,php}'],
  [RECIPES.path, RECIPES, 'examples/{outbox,medusa,solidus}/*'],
])('%s shows every file of its examples, as it is', (_, document, files) => {
  const shown = Object.fromEntries([...document.text.matchAll(SHOWN)].map(([, path, text]) => [path, text]));
  const paths = globSync(files, {
    cwd: ROOT,
    exclude: ['**/.venv/**', '**/vendor/**', 'examples/go/gen/**', 'examples/python/orders/**'],
  });
  expect(paths.length).toBeGreaterThan(2);
  expect(shown).toEqual(Object.fromEntries(paths.map((path) => [path, readFileSync(`${ROOT}${path}`, 'utf8')])));
});

it("clients.md: the client's program numbers an order and follows what is numbered", async () => {
  const [server, program] = [new LocalServer(join(testFolder(), 'orders.db')), join(testFolder(), 'program.ts')];
  const [, code = ''] = /^```ts\n([^]*?)^```$/m.exec(CLIENTS.text) ?? [];
  writeFileSync(
    program,
    code
      .replace("'order-number-generator-client'", `'${ROOT}src/client/index.ts'`)
      .replace('localhost:50051', await server.serving()),
  );
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    if (printed.endsWith('cursor 1n\n')) break;
  }
  expect(printed).toMatch(/^cart-2 1n 100\n(cursor 0n\n)?cart-2 1n 100\ncursor 1n\n$/);
});
