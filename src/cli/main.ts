import { Command, CommanderError } from 'commander';
import { backupCommand } from './backup.ts';
import { importCommand } from './import.ts';
import { restoreCommand } from './restore.ts';
import { serveCommand } from './serve.ts';

/** A flag, a value or a command that cannot be. */
const EXIT_USAGE = 2;

const program = new Command('order-numbers')
  .description('Gapless, exactly-once order numbers for many stores.')
  .configureOutput({ outputError: (text, write) => write(`${text.trim().replaceAll('\n', ' ')}  (see --help)\n`) })
  .exitOverride();
for (const command of [serveCommand(), backupCommand(), restoreCommand(), importCommand()])
  program.addCommand(command.copyInheritedSettings(program));

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what is wrong; a help that was asked for is not wrong.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
}
