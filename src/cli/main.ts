import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { printable } from './printable.ts';
import { missOptionsLast } from './required-options.ts';
import { withoutSecrets } from './without-secrets.ts';

/** A flag, a value or a command that cannot be. */
const EXIT_USAGE = 2;

/** Only the command that is asked for is loaded: each brings much that the others have no use for. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand(),
  allocate: async () => (await import('./allocate.ts')).allocateCommand(),
  get: async () => (await import('./get.ts')).getCommand(),
  list: async () => (await import('./list.ts')).listCommand(),
  watch: async () => (await import('./watch.ts')).watchCommand(),
  stores: async () => (await import('./stores.ts')).storesCommand(),
  verify: async () => (await import('./verify.ts')).verifyCommand(),
  backup: async () => (await import('./backup.ts')).backupCommand(),
  restore: async () => (await import('./restore.ts')).restoreCommand(),
  'declare-loss': async () => (await import('./declare-loss.ts')).declareLossCommand(),
  import: async () => (await import('./import.ts')).importCommand(),
  migrate: async () => (await import('./migrate.ts')).migrateCommand(),
};

const program = new Command('order-numbers')
  .description('Gapless, exactly-once order numbers for many stores.')
  .version(version())
  .configureOutput({
    outputError: (text, write) => write(`${printable(withoutSecrets(text.trim()))}  (see --help)\n`),
  })
  .exitOverride();
const [, , asked = ''] = process.argv;
const load = Object.hasOwn(COMMANDS, asked) ? COMMANDS[asked] : undefined;
for (const loadCommand of load ? [load] : Object.values(COMMANDS)) program.addCommand(await loadCommand());
inheritSettings(program);
missOptionsLast(program);

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what is wrong; a help that was asked for is not wrong.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
}

/** Of the package, which is two folders above this file, as source and compiled. */
function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** How errors are said, for commands inside commands, too: they are made before they are added. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inheritSettings(command);
  }
}
