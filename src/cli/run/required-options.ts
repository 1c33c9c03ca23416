import type { Command, Option } from 'commander';

/**
 * Reports missing required options only after unknown ones: `--stor 7` is a mistyped --store, and not a missing one.
 * Commander itself checks for the missing ones first.
 */
export function missOptionsLast(program: Command): void {
  const required = new Set<Option>();
  for (const option of optionsOf(program)) if (option.mandatory) required.add(option.makeOptionMandatory(false));
  program.hook('preAction', (_program, command) => {
    const missing = command.options.find(
      (option) => required.has(option) && command.getOptionValue(option.attributeName()) === undefined,
    );
    if (missing) command.error(`error: required option '${missing.flags}' not specified`);
  });
}

function optionsOf(command: Command): Option[] {
  return [...command.options, ...command.commands.flatMap(optionsOf)];
}
