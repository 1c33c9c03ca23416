import type { Command, Option } from 'commander';

/**
 * Reports missing required options and excess arguments only after unknown options: `--stor 7` is a mistyped --store,
 * and not a missing one. An excess argument is often the value of a required option, so its refusal names those.
 * Commander itself checks for missing options first, and does not name them beside an argument.
 */
export function refuseWrongUsage(program: Command): void {
  const required = new Set<Option>();
  for (const command of commandsOf(program)) {
    command.allowExcessArguments(true);
    for (const option of command.options) if (option.mandatory) required.add(option.makeOptionMandatory(false));
  }
  program.hook('preAction', (_program, command) => {
    const expected = command.registeredArguments.length;
    const wanted = command.options.filter((option) => required.has(option)).map(({ flags }) => flags);
    if (command.args.length > expected) {
      command.error(`error: ${excess(typedName(command), expected, wanted)}, and got: ${command.args.join(' ')}`);
    }
    const missing = command.options.find(
      (option) => required.has(option) && command.getOptionValue(option.attributeName()) === undefined,
    );
    if (missing) command.error(`error: required option '${missing.flags}' not specified`);
  });
}

function excess(name: string, expected: number, wanted: readonly string[]): string {
  const named = wanted.length === 0 ? '' : ` (required: ${wanted.join(', ')})`;
  const taken = expected === 0 ? 'options only' : `${expected} ${expected === 1 ? 'argument' : 'arguments'}`;
  return `'${name}' takes ${taken}${named}`;
}

/** As it is typed after the program's name: `stores get` is not `get`. */
function typedName(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${typedName(parent)} ${command.name()}` : command.name();
}

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}
