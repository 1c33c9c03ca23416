import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../../src/client/index.ts';
import { newToken } from '../../../src/server/security/token-text.ts';
import { ENGINES } from '../../support/engines/engines.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, writeTokens } from '../../support/security/tokens.ts';

const NEW = { first_number: '100', next_number: '100', prefix: '', suffix: '', min_digits: 0 };
const INFO = 30;

function clientOf(address: string, token?: string) {
  const client = createClient({ address, token });
  onTestFinished(() => client.close());
  return client;
}

/** The lines that say who changed a store, without the time and the like. */
function changesIn({ log }: LocalServer) {
  return log
    .filter(({ msg }) => msg === 'store created' || msg === 'store changed')
    .map(({ level, msg, store_id, caller, before, after }) => ({ level, msg, store_id, caller, before, after }));
}

describe.each(ENGINES)('on $name', (engine) => {
  it('a new store and each change of it are logged with who, what, before and after', async () => {
    const tokens = join(testFolder(), 'tokens.json');
    const [admin, other] = [newToken(), newToken()];
    writeTokens(tokens, entryOf(admin, { name: 'admin' }), entryOf(other, { name: 'other' }));
    const server = new LocalServer(await engine.newLedger(), { args: ['--tokens', tokens] });
    const address = await server.serving();
    const client = clientOf(address, admin);

    await client.createStore({ storeId: 2n ** 53n + 1n, prefix: 'A-', minDigits: 6 });
    await clientOf(address, other).updateStore(2n ** 53n + 1n, { prefix: 'B-', firstNumber: 7 });
    await client.allocate({ storeId: 2n ** 53n + 1n, count: 3 });
    await client.updateStore(2n ** 53n + 1n, { suffix: '/x' });
    await expect(client.updateStore(2n ** 53n + 1n, { firstNumber: 8 })).rejects.toMatchObject({
      reason: 'FIRST_NUMBER_FIXED',
    });
    await expect(client.updateStore(9, { prefix: 'C' })).rejects.toMatchObject({ reason: 'STORE_NOT_FOUND' });
    await expect(client.createStore({ storeId: 2n ** 53n + 1n })).rejects.toMatchObject({ reason: 'STORE_EXISTS' });

    const created = { ...NEW, prefix: 'A-', min_digits: 6 };
    const changed = { ...created, prefix: 'B-', first_number: '7', next_number: '7' };
    const numbered = { ...changed, next_number: '10' };
    const store_id = '9007199254740993';
    expect(changesIn(server)).toEqual([
      { level: INFO, msg: 'store created', store_id, caller: 'admin', before: null, after: created },
      { level: INFO, msg: 'store changed', store_id, caller: 'other', before: created, after: changed },
      {
        level: INFO,
        msg: 'store changed',
        store_id,
        caller: 'admin',
        before: numbered,
        after: { ...numbered, suffix: '/x' },
      },
    ]);
  });

  it('every change has a line, also of many at the same time, and their befores are what was before', async () => {
    const server = new LocalServer(await engine.newLedger());
    const client = clientOf(await server.serving());
    await client.createStore({ storeId: 7 });
    const prefixes = Array.from({ length: 50 }, (_, i) => `${i}-`);
    await Promise.all(prefixes.map((prefix) => client.updateStore(7, { prefix })));
    const [first, ...changes] = changesIn(server) as unknown as { caller: string; before: object; after: object }[];
    expect(first).toMatchObject({ caller: '', before: null, after: NEW });
    expect(changes.map(({ before }) => before)).toEqual([
      first!.after,
      ...changes.slice(0, -1).map(({ after }) => after),
    ]);
    const after = changes.map((change) => (change.after as typeof NEW).prefix);
    expect(after.toSorted()).toEqual(prefixes.toSorted());
  });
});
