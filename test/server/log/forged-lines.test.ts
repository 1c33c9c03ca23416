import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createClient } from '../../../src/client/index.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import { ServerProcess, testFolder } from '../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';

/** Every control character and both line separators. */
const ENDS = [...codes(0, 0x1f), ...codes(0x7f, 0x9f), '\u2028', '\u2029'];
/** What a reader of the log might take for a line of its own, if the character before it ended one. */
const FORGED = '{"level":"info","msg":"forged"}';

it('no caller can forge a line of the log, whatever its texts contain', async () => {
  const folder = testFolder();
  const tokens = join(folder, 'tokens.json');
  const token = newToken();
  // The characters of a name that a parser might take for its own syntax.
  writeTokens(tokens, entryOf(token, { name: '-_.0' }));
  const server = new ServerProcess(join(folder, 'orders.db'), { args: ['--tokens', tokens, '--log-level', 'debug'] });
  const written = text(server.child.stdout!);
  const client = createClient({ address: await server.serving(), token });
  const texts = ENDS.map((end) => `a"\\${end}${FORGED}`);
  await client.createStore({ storeId: 7 });
  await client.updateStore(7, { prefix: '"}\\', suffix: '{"level"' });
  for (const value of texts) {
    await refused(client.allocate({ storeId: 7, requestId: value }));
    await refused(client.getAllocation({ storeId: 7, requestId: value }));
    await refused(client.createStore({ storeId: 8, prefix: value.slice(0, 32) }));
    await refused(client.updateStore(7, { suffix: value.slice(0, 32) }));
  }
  client.close();
  expect(await server.stop()).toBe(0);

  const log = await written;
  expect(log).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}](?<!\n)/u);
  const lines = log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.filter(({ msg }) => msg === 'forged')).toEqual([]);
  const ids = new Set(lines.map((line) => line['request_id']));
  expect(texts.filter((value) => !ids.has(value))).toEqual([]);
  expect(lines.find(({ msg }) => msg === 'store changed')).toMatchObject({
    caller: '-_.0',
    after: { prefix: '"}\\', suffix: '{"level"' },
  });
});

async function refused(call: Promise<unknown>): Promise<void> {
  await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
}

function codes(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => String.fromCharCode(first + i));
}
