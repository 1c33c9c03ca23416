import { expect } from 'vitest';
import { LocalServer } from './local-server.ts';
import type { ServeOptions } from './server-process.ts';
import { ServerProcess } from './server-process.ts';

const FATAL = 60;

/**
 * Starts a server, with flags beside --ledger, that must refuse: exit code 1, never serving. Returns its fatal lines'
 * messages.
 */
export function refusedStart(ledger: string, args: readonly string[] = []): Promise<string> {
  return refusalOf(new LocalServer(ledger, { args }));
}

/** The same for a process of its own. */
export async function refusedProcess(ledger: string, options: ServeOptions = {}): Promise<string> {
  const server = new ServerProcess(ledger, options);
  const refusal = await refusalOf(server);
  expect(server.stderr).toBe('');
  return refusal;
}

async function refusalOf(server: LocalServer | ServerProcess): Promise<string> {
  // If it serves after all, this is its address.
  expect(await server.serving().catch(() => server.exit())).toBe(1);
  const fatal = server.log.filter(({ level }) => level === FATAL);
  return fatal.map(({ msg }) => msg).join('\n');
}
