import { Command, CommanderError } from 'commander';
import { printable } from '../core/text/plain-text.ts';
import { packageVersion } from './run/version.ts';
import { withoutSecrets } from './run/without-secrets.ts';
import { refuseWrongUsage } from './run/wrong-usage.ts';

/** An invalid flag, value or command. */
const EXIT_USAGE = 2;

interface CommandEntry {
  readonly description: string;
  /** What follows its name in the list of all commands; `[options]` if absent. */
  readonly usage?: string;
  /** Whether it reads a server's settings from the environment: mistyped variables are then named. */
  readonly takesSettings?: true;
  readonly load: () => Promise<Command>;
}

/** Only the named command is loaded: each needs modules that the others do not. */
const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  serve: {
    description: 'run the server until Ctrl-C or SIGTERM',
    takesSettings: true,
    load: async () => (await import('./commands/serve.ts')).serveCommand(),
  },
  allocate: {
    description: 'allocate the next order number of a store, or a run of them',
    load: async () => (await import('./commands/allocate.ts')).allocateCommand(),
  },
  get: {
    description: 'look up one allocation; any number in a run finds the run',
    load: async () => (await import('./commands/get.ts')).getCommand(),
  },
  list: {
    description: 'list allocations in order_id order, up to the current end of the ledger',
    load: async () => (await import('./commands/list.ts')).listCommand(),
  },
  watch: {
    description: 'print allocations as they are created, until Ctrl-C',
    load: async () => (await import('./commands/watch.ts')).watchCommand(),
  },
  top: {
    description: 'show what a server is doing, once per second, until Ctrl-C',
    load: async () => (await import('./commands/top.ts')).topCommand(),
  },
  stores: {
    description: 'create, show and change stores',
    usage: '[command]',
    load: async () => (await import('./commands/stores.ts')).storesCommand(),
  },
  verify: {
    description: 'read a whole ledger and report every gap, duplicate and mismatch',
    usage: '[options] [ledger]',
    load: async () => (await import('./commands/verify.ts')).verifyCommand(),
  },
  health: {
    description: 'ask whether a server is serving, for health checks: exit code 0 or 1',
    load: async () => (await import('./commands/health.ts')).healthCommand(),
  },
  backup: {
    description: 'write a checked copy of the ledger to a file while the server runs',
    takesSettings: true,
    usage: '[options] <target>',
    load: async () => (await import('./commands/operator/backup.ts')).backupCommand(),
  },
  restore: {
    description: 'replace the ledger with a backup; stop the server first',
    takesSettings: true,
    load: async () => (await import('./commands/operator/restore.ts')).restoreCommand(),
  },
  'declare-loss': {
    description: 'after restoring a PostgreSQL ledger to an earlier time, continue above the numbers given since',
    takesSettings: true,
    usage: '[options] <url>',
    load: async () => (await import('./commands/operator/declare-loss.ts')).declareLossCommand(),
  },
  import: {
    description: 'import the counters of an old shop into an empty ledger',
    takesSettings: true,
    load: async () => (await import('./commands/operator/import.ts')).importCommand(),
  },
  migrate: {
    description: 'create or upgrade a PostgreSQL ledger, or move an SQLite ledger to it',
    takesSettings: true,
    load: async () => (await import('./commands/operator/migrate.ts')).migrateCommand(),
  },
  dynamodb: {
    description: 'print the table of a DynamoDB ledger, or rebuild its indexes',
    takesSettings: true,
    usage: '[command]',
    load: async () => (await import('./commands/operator/dynamodb.ts')).dynamodbCommand(),
  },
  token: {
    description: 'create, list and revoke the tokens that a server accepts',
    takesSettings: true,
    usage: '[command]',
    load: async () => (await import('./commands/operator/token.ts')).tokenCommand(),
  },
  completion: {
    description: 'print a completion script for bash, zsh or fish',
    usage: '<shell>',
    load: async () => (await import('./commands/completion.ts')).completionCommand(wholeProgram),
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
refuseWrongUsage(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Requested help is not an error.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (refusal !== '' && COMMANDS[asked]?.takesSettings) await nameMistypedVariables();
  process.stderr.write(refusal);
}

/** Every command, loaded. */
async function wholeProgram(): Promise<Command> {
  const whole = new Command('order-numbers').version(packageVersion());
  for (const { load, description } of Object.values(COMMANDS)) {
    whole.addCommand((await load()).description(description));
  }
  return whole;
}

/** A mistyped variable may be why the command was refused. */
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

/** Makes nested commands report errors in the same way: they were created before they were added. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inheritSettings(command);
  }
}
