import { chownSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Programs } from './programs.ts';
import { run } from './programs.ts';
import { withClient } from '../query.ts';

/** What belongs to the running server alone. */
const LEFT_OUT = new Set(['postmaster.pid', 'postmaster.opts', 'pg_wal', 'pg_replslot']);
/** A standby is told these anew; and a promoted one that asked for standbys of its own would accept no write. */
const FORGOTTEN = /^(primary_conninfo|synchronous_standby_names)\b/;

/**
 * Makes `to` the data of a standby of the server at `url`, whose data are in `from`: what pg_basebackup does,
 * which the npm package does not have.
 */
export async function backUp(programs: Programs, url: string, from: string, to: string, connection: string) {
  const label = await withClient(url, async (client) => {
    // The backup lasts as long as this session.
    await client.query(`select pg_backup_start('standby', fast => true)`);
    await copy(programs, from, to);
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    return rows[0]!.labelfile;
  });
  writeFor(programs, join(to, 'backup_label'), label);
  writeFor(programs, join(to, 'standby.signal'), '');
  const settings = join(to, 'postgresql.auto.conf');
  const kept = readFileSync(settings, 'utf8').split('\n');
  const lines = [...kept.filter((line) => !FORGOTTEN.test(line)), `primary_conninfo = '${connection}'`, ''];
  writeFileSync(settings, lines.join('\n'));
}

async function copy(programs: Programs, from: string, to: string): Promise<void> {
  const folders = ['.', 'pg_wal', 'pg_replslot'].map((name) => join(to, name));
  await run(programs, 'mkdir', ['-m', '700', ...folders], from);
  const entries = readdirSync(from).filter((name) => !LEFT_OUT.has(name));
  try {
    await run(programs, 'cp', ['-R', ...entries, to], from);
  } catch (error) {
    // The server works on: what it removed meanwhile is not missed.
    const { stderr } = error as { readonly stderr?: string };
    const complaints = stderr?.trim().split('\n') ?? [''];
    if (!complaints.every((line) => line.includes('No such file or directory'))) throw error;
  }
}

function writeFor({ user }: Programs, path: string, text: string): void {
  writeFileSync(path, text);
  if (user) chownSync(path, user.uid, user.gid);
}
