import { chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readTokenFile } from '../../../../src/server/security/read-token-file.ts';
import { localOrderNumbers } from '../../../support/processes/local-command.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { requireTools } from '../../../support/required-tool.ts';

const [UID, GID] = [12345, 23456];

function create(path: string, name: string) {
  const rights = ['--stores', 'all', '--verbs', 'read'];
  return localOrderNumbers(['token', 'create', '--tokens', path, '--name', name, ...rights]);
}

function ownerOf(path: string) {
  const { uid, gid, mode } = statSync(path);
  return { uid, gid, mode: mode & 0o777 };
}

it('a token file that root creates or changes keeps its owner: that of the file, or of its folder', async (test) => {
  requireTools(test, 'root');
  const folder = join(testFolder(), 'orders');
  mkdirSync(folder);
  chownSync(folder, UID, GID);
  const path = join(folder, 'tokens.json');
  expect(await create(path, 'a')).toMatchObject({ exitCode: 0 });
  const owner = { uid: UID, gid: GID, mode: 0o600 };
  expect([ownerOf(path), ownerOf(`${path}.lock`)]).toEqual([owner, owner]);

  chownSync(path, UID + 1, GID + 1);
  expect(await create(path, 'b')).toMatchObject({ exitCode: 0 });
  expect(ownerOf(path)).toEqual({ uid: UID + 1, gid: GID + 1, mode: 0o600 });
});

it('a server refuses the token file of another user, and reads one of root', async (test) => {
  requireTools(test, 'root');
  const path = join(testFolder(), 'tokens.json');
  expect(await create(path, 'a')).toMatchObject({ exitCode: 0 });
  chownSync(path, UID, GID);
  await expect(readTokenFile(path)).rejects.toThrow(`${path} belongs to user ${UID}, who could grant anyone access`);
  chownSync(path, 0, 0);
  expect(await readTokenFile(path)).toEqual({ text: expect.stringContaining('"a"') });
});
