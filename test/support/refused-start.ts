import { expect } from 'vitest';
import type { ServeOptions } from './server-process.ts';
import { ServerProcess } from './server-process.ts';

const FATAL = 60;

/** Starts a server that must refuse: exit code 1, never serving. Returns its fatal lines' messages. */
export async function refusedStart(ledger: string, options: ServeOptions = {}): Promise<string> {
  const server = new ServerProcess(ledger, options);
  // Where it serves after all, this is its address.
  expect(await server.serving().catch(() => server.exit())).toBe(1);
  expect(server.stderr).toBe('');
  const fatal = server.log.filter(({ level }) => level === FATAL);
  return fatal.map(({ msg }) => msg).join('\n');
}
