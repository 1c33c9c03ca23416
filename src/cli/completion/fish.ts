import type { CompletedCommand, CompletedOption } from './completed-commands.ts';

/** The completion of these commands for fish. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const paths = commands.flatMap(({ path }) => (path === '' ? [] : [quoted(path)]));
  return `# Completion of order-numbers for fish; once: order-numbers completion fish > ~/.config/fish/completions/order-numbers.fish
function __order_numbers_at
    set -l words (commandline -opc)
    set -l path
    for word in $words[2..-1]
        if contains -- (string join ' ' $path $word) ${paths.join(' ')}
            set -a path $word
        end
    end
    test "$path" = "$argv"
end

complete -c order-numbers -f
${commands.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, subcommands, options, argument }: CompletedCommand): string[] {
  const line = (rest: string) => `complete -c order-numbers -n ${quoted(`__order_numbers_at ${path}`.trim())} ${rest}`;
  return [
    ...subcommands.map(({ name, description }) => line(`-a ${name} -d ${quoted(description)}`)),
    ...(argument && argument.words.length > 0 ? [line(`-a ${quoted(argument.words.join(' '))}`)] : []),
    ...(argument?.isFile ? [line('-F')] : []),
    ...options.map((option) => line(optionOf(option))),
  ];
}

function optionOf({ long, short, description, value }: CompletedOption): string {
  const words = value && value.words.length > 0 ? ` -a ${quoted(value.words.join(' '))}` : '';
  // fish completes only a value that must follow.
  const takes = value === undefined || value.isOptional ? '' : value.isFile ? ` -r -F${words}` : ` -x${words}`;
  return `-l ${long}${short === undefined ? '' : ` -s ${short}`}${takes} -d ${quoted(description)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
