import type { Argument, Command, Option } from 'commander';

/** A command as a shell completes it. */
export interface CompletedCommand {
  /** Its names from the top, such as `stores list`; empty for the program itself. */
  readonly path: string;
  readonly subcommands: readonly Described[];
  readonly options: readonly CompletedOption[];
  /** What its argument may be; undefined if it takes none. */
  readonly argument: CompletedValue | undefined;
}

export interface Described {
  readonly name: string;
  readonly description: string;
}

export interface CompletedOption extends Pick<Described, 'description'> {
  /** Without dashes. */
  readonly long: string;
  readonly short: string | undefined;
  /** Undefined if it takes none. */
  readonly value: CompletedValue | undefined;
}

/** What is known about a value before it is typed. */
export interface CompletedValue {
  /** What stands for it in the help, such as host:port. */
  readonly name: string;
  readonly isOptional: boolean;
  /** The words that it may be: all of them, or some. */
  readonly words: readonly string[];
  readonly isFile: boolean;
}

/** A shell shows a description beside the word, on one line. */
const MAX_DESCRIPTION = 60;
/** Words that the help shows in place of a value and that are not placeholders. */
const LITERALS: ReadonlySet<string> = new Set(['true', 'false', 'all', 'none', 'off']);
/** Placeholders of the path of a file. */
const FILES: ReadonlySet<string> = new Set(['file', 'path', 'ledger', 'target', 'backup', 'folder']);

/** The command and all below it, the program first. Each must have been loaded whole. */
export function completedCommands(command: Command, path = ''): CompletedCommand[] {
  const { commands, registeredArguments } = command;
  const below = commands.map((sub) => completedCommands(sub, `${path} ${sub.name()}`.trim()));
  const [argument] = registeredArguments;
  return [
    {
      path,
      subcommands: commands.map((sub) => ({ name: sub.name(), description: short(sub.description()) })),
      options: command.createHelp().visibleOptions(command).map(completedOption),
      argument: argument && valueOf(argument.name(), !argument.required, argument),
    },
    ...below.flat(),
  ];
}

function completedOption(option: Option): CompletedOption {
  const placeholder = /[<[](.+)[>\]]$/.exec(option.flags)?.[1];
  return {
    long: option.long!.slice(2),
    short: option.short?.slice(1),
    description: short(option.description),
    value: placeholder === undefined ? undefined : valueOf(placeholder, option.optional, option),
  };
}

function valueOf(
  name: string,
  isOptional: boolean,
  { argChoices }: Pick<Argument | Option, 'argChoices'>,
): CompletedValue {
  const parts = name.split('|');
  return {
    name,
    isOptional,
    words: argChoices ?? parts.filter((part) => LITERALS.has(part)),
    isFile: parts.some((part) => FILES.has(part.replace(/s?\.\.\.$/, ''))),
  };
}

/** The beginning of a description, up to the end of a word. */
function short(description: string): string {
  if (description.length <= MAX_DESCRIPTION) return description;
  return `${description.slice(0, description.lastIndexOf(' ', MAX_DESCRIPTION - 1)).replace(/[,;:]$/, '')}…`;
}
