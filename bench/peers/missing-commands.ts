import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** One line that names the commands that are not in the path, and the packages that have them; undefined if all are. */
export function missingCommands(commands: readonly string[], packages: string): string | undefined {
  const missing = commands.filter((command) => !isThere(command));
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing: install ${packages}`;
}

function isThere(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
