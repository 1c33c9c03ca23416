import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import { onTestFinished } from 'vitest';
import { query, withClient } from '../postgres/query.ts';
import { ORDER_NUMBERS } from '../processes/server-process.ts';
import { until } from '../until.ts';

/** `order-numbers migrate` at work. */
export type StartedMove = ChildProcess & { readonly said: Promise<string> };

/** Starts the command; killed when the test ends. */
export function startMove(from: string, to: string): StartedMove {
  const child = spawn(process.execPath, [ORDER_NUMBERS, 'migrate', '--from', from, '--to', to], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return Object.assign(child, { said: text(child.stderr) });
}

/** Resolves to its exit code; null if it was killed. */
export async function ended(child: ChildProcess): Promise<number | null> {
  if (!hasEnded(child)) await once(child, 'close');
  return child.exitCode;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A session of the test's own, until the test ends. */
export async function newSession(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** The last step: the database is opened for servers. */
export const ACTIVATION =
  'BEFORE UPDATE ON order_numbers.ledger FOR EACH ROW WHEN (NEW.moving_from IS NULL AND OLD.moving_from IS NOT NULL)';

/** Makes statements that fire this trigger wait; returns what releases them. */
export async function hold(url: string, trigger: string): Promise<() => Promise<void>> {
  const holder = await newSession(url);
  const { rows } = await holder.query<{ key: number }>('SELECT pg_backend_pid() AS key');
  const { key } = rows[0]!;
  await query(
    url,
    `CREATE FUNCTION order_numbers.hold_${key}() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN PERFORM pg_advisory_xact_lock(${key}); RETURN NEW; END $$;
     CREATE TRIGGER hold_${key} ${trigger} EXECUTE FUNCTION order_numbers.hold_${key}()`,
  );
  await holder.query('SELECT pg_advisory_lock($1)', [key]);
  return async () => void (await holder.query('SELECT pg_advisory_unlock($1)', [key]));
}

/** Resolves when the command waits for what is held. */
export async function isHeld(url: string): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
  await withClient(url, (client) =>
    until('the command waits', async () => (await client.query(waiting)).rowCount! > 0),
  );
}
