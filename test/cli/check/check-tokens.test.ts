import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkTokens } from '../../../src/cli/check/check-tokens.ts';
import { folderState } from '../../support/disk/folder-state.ts';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { refusedStart } from '../../support/processes/refused-start.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { entryOf, replaceFile, tokenOf, writeTokens } from '../../support/security/tokens.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('a check of a token file', () => {
  it('counts its entries by their state, names those that end, and changes nothing', async () => {
    const folder = testFolder();
    const path = join(folder, 'tokens.json');
    const soon = new Date(Date.now() + 3 * DAY_MS).toISOString().slice(0, 10);
    writeTokens(
      path,
      entryOf(tokenOf('a')),
      entryOf(tokenOf('b'), { name: 'soon', expires: soon }),
      entryOf(tokenOf('c'), { name: 'old', expires: '2020-02-29' }),
      entryOf(tokenOf('d'), { name: 'gone', revoked: '2026-11-01T12:00:00Z' }),
    );
    const before = folderState(folder);
    expect(await checkTokens({ tokens: path })).toEqual([
      { kind: 'ok', flag: '--tokens', text: `${path} has 2 active, 1 expired, 1 revoked` },
      {
        kind: 'warning',
        flag: '--tokens',
        text: 'expired: old (2020-02-29); replace those that are still needed',
      },
      {
        kind: 'warning',
        flag: '--tokens',
        text: `expiring within 14 days: soon (${soon}); replace them before then`,
      },
    ]);
    expect(folderState(folder)).toEqual(before);
  });

  it('warns of a file that lets nothing in, and of one that every user may read', async () => {
    const path = join(testFolder(), 'tokens.json');
    writeTokens(path, entryOf(tokenOf('a'), { revoked: '2026-11-01T12:00:00Z' }));
    chmodSync(path, 0o644);
    const warnings = (await checkTokens({ tokens: path }))
      .filter(({ kind }) => kind === 'warning')
      .map(({ text }) => text);
    expect(warnings).toEqual([
      expect.stringMatching(/^every user of this machine can read the token file .* \(mode 0644\): run chmod o-r/),
      expect.stringMatching(/^no entry is active, so every call would be refused/),
    ]);
  });

  it.each<[string, (path: string) => void]>([
    ['is missing', () => {}],
    ['is not JSON', (path) => replaceFile(path, '{"version":')],
    ['has an unknown field', (path) => replaceFile(path, '{"version":1,"tokens":[],"comment":"x"}')],
    ['may be written by others', (path) => replaceFile(path, '{"version":1,"tokens":[]}') ?? chmodSync(path, 0o666)],
  ])('that %s names the problem as a start does', async (_, make) => {
    const folder = testFolder();
    const path = join(folder, 'tokens.json');
    make(path);
    const ledger = join(folder, 'orders.db');
    const before = folderState(folder);
    const args = ['--tokens', path, '--http-listen', 'off', '--metrics-listen', 'off', '--grpc-listen', '127.0.0.1:0'];
    const { exitCode, stdout } = await localOrderNumbers(['serve', '--check', '--ledger', ledger, ...args]);
    expect(exitCode).toBe(2);
    expect(folderState(folder)).toEqual(before);
    const refusal = await refusedStart(ledger, ['--tokens', path]);
    expect(stdout.split('\n')).toContain(`problem      --tokens: ${refusal}`);
  });
});
