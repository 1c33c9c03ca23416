import { Command, CommanderError } from 'commander';
import { printable } from '../core/text/plain-text.ts';
import { missOptionsLast } from './run/required-options.ts';
import { packageVersion } from './run/version.ts';
import { withoutSecrets } from './run/without-secrets.ts';

/** A flag, a value or a command that cannot be. */
const EXIT_USAGE = 2;

interface CommandEntry {
  readonly description: string;
  /** What follows its name in the list of all commands; `[options]` if absent. */
  readonly usage?: string;
  /** Whether it takes settings of a server from the environment: mistyped ones are then named. */
  readonly takesSettings?: true;
  readonly load: () => Promise<Command>;
}

/** Only the named command is loaded: each needs much that the others do not. */
const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  serve: {
    description: 'serve order numbers until told to stop',
    takesSettings: true,
    load: async () => (await import('./commands/serve.ts')).serveCommand(),
  },
  allocate: {
    description: 'number the next order of a store, or a run of orders',
    load: async () => (await import('./commands/allocate.ts')).allocateCommand(),
  },
  get: {
    description: 'look one allocation up; a number inside a run finds the run',
    load: async () => (await import('./commands/get.ts')).getCommand(),
  },
  list: {
    description: 'list allocations in order_id order, up to the end that the ledger has now',
    load: async () => (await import('./commands/list.ts')).listCommand(),
  },
  watch: {
    description: 'show allocations as they are made, until Ctrl-C',
    load: async () => (await import('./commands/watch.ts')).watchCommand(),
  },
  stores: {
    description: 'make, show and change stores',
    usage: '[command]',
    load: async () => (await import('./commands/stores.ts')).storesCommand(),
  },
  verify: {
    description: 'read a ledger from end to end and report every hole, overlap and mismatch',
    usage: '[options] [ledger]',
    load: async () => (await import('./commands/verify.ts')).verifyCommand(),
  },
  backup: {
    description: 'write a checked copy of the ledger to a file, while the server runs',
    takesSettings: true,
    usage: '[options] <target>',
    load: async () => (await import('./commands/backup.ts')).backupCommand(),
  },
  restore: {
    description: 'put a backup in the place of the ledger; the server must not run',
    takesSettings: true,
    load: async () => (await import('./commands/restore.ts')).restoreCommand(),
  },
  'declare-loss': {
    description: 'after a PostgreSQL ledger was restored to an earlier time: go on above what was given since',
    takesSettings: true,
    usage: '[options] <url>',
    load: async () => (await import('./commands/declare-loss.ts')).declareLossCommand(),
  },
  import: {
    description: 'carry the counters of an old shop over into an empty ledger',
    takesSettings: true,
    load: async () => (await import('./commands/import.ts')).importCommand(),
  },
  migrate: {
    description: 'make or upgrade a PostgreSQL ledger, or move an SQLite ledger to it',
    takesSettings: true,
    load: async () => (await import('./commands/migrate.ts')).migrateCommand(),
  },
};

let refusal = '';
const program = new Command('order-numbers')
  .description('Gapless, exactly-once order numbers for many stores.')
  .version(packageVersion())
  .configureOutput({
    writeOut: (text) => void process.stdout.once('error', outputFailed).write(text),
    outputError: (text) => void (refusal += `${printable(withoutSecrets(text.trim()))}  (see --help)\n`),
  })
  .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
  .exitOverride();
const [, , first = '', second = ''] = process.argv;
const asked = first === 'help' ? second : first;
for (const [name, entry] of Object.entries(COMMANDS)) {
  const command = name === asked ? await entry.load() : new Command(name).usage(entry.usage ?? '[options]');
  program.addCommand(command.description(entry.description));
}
inheritSettings(program);
missOptionsLast(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // A help that was asked for is not wrong.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (refusal !== '' && COMMANDS[asked]?.takesSettings) await nameMistypedVariables();
  process.stderr.write(refusal);
}

/** A setting that was meant may be why another one is refused. */
async function nameMistypedVariables(): Promise<void> {
  const { mistypedVariables } = await import('./run/mistyped-variables.ts');
  for (const warning of mistypedVariables()) process.stderr.write(`warning: ${warning}\n`);
}

/** A reader that closes the pipe has read enough, as `head` does. */
function outputFailed(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`error: cannot write to standard output: ${error.message}\n`);
  process.exitCode = 1;
}

/** The way errors are reported, also for nested commands: they are created before they are added. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inheritSettings(command);
  }
}
