import { Command, CommanderError } from 'commander';
import { allocateCommand } from './allocate.ts';
import { backupCommand } from './backup.ts';
import { getCommand } from './get.ts';
import { importCommand } from './import.ts';
import { listCommand } from './list.ts';
import { restoreCommand } from './restore.ts';
import { serveCommand } from './serve.ts';
import { storesCommand } from './stores.ts';
import { verifyCommand } from './verify.ts';
import { watchCommand } from './watch.ts';

/** A flag, a value or a command that cannot be. */
const EXIT_USAGE = 2;

const program = new Command('order-numbers')
  .description('Gapless, exactly-once order numbers for many stores.')
  .configureOutput({ outputError: (text, write) => write(`${text.trim().replaceAll('\n', ' ')}  (see --help)\n`) })
  .exitOverride();
const commands = [
  serveCommand(),
  allocateCommand(),
  getCommand(),
  listCommand(),
  watchCommand(),
  storesCommand(),
  verifyCommand(),
  backupCommand(),
  restoreCommand(),
  importCommand(),
];
for (const command of commands) program.addCommand(command);
inheritSettings(program);

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what is wrong; a help that was asked for is not wrong.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
}

/** How errors are said, for commands inside commands, too: they are made before they are added. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inheritSettings(command);
  }
}
