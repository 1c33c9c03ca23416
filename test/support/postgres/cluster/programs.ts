import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** PostgreSQL's programs and the user that runs them. */
export interface Programs {
  readonly initdb: string;
  readonly pg_ctl: string;
  readonly postgres: string;
  /** Undefined if we are an ordinary user and run them as ourselves. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

/** In English, and without the PGDATA, PGPORT and so on that may be set here. */
export const PLAIN_ENVIRONMENT: Readonly<Record<string, string>> = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' };

/** Runs a program as their user and to its end; rejects with what it said when it fails. */
export async function run({ user }: Programs, program: string, args: readonly string[], cwd: string): Promise<void> {
  await promisify(execFile)(program, args, { ...user, cwd, env: PLAIN_ENVIRONMENT });
}
