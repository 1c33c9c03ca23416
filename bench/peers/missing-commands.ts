import { runChild } from '../processes/child-process.ts';

/**
 * Resolves to one line that names the commands that do not run here, and the packages to install, or to undefined. Each
 * command is run, because Debian has a wrapper named pgbench even if pgbench is not installed.
 */
export async function missingCommands(commands: readonly string[], packages: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (const command of commands) if (!(await runs(command))) missing.push(command);
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing: install ${packages}`;
}

async function runs(command: string): Promise<boolean> {
  const ended = await runChild(command, ['--version']).catch(() => undefined);
  return ended?.code === 0;
}
