import type { CompletedCommand, CompletedOption, CompletedValue } from './completed-commands.ts';
import { quoted } from '../view/shell-word.ts';

/** The completion of these commands for zsh. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  return `#compdef order-numbers
# Completion of order-numbers for zsh; in ~/.zshrc, below compinit: eval "$(order-numbers completion zsh)"
${commands.map(functionOf).join('\n')}
if [ "$funcstack[1]" = _order-numbers ]; then
  _order-numbers "$@"
else
  compdef _order-numbers order-numbers
fi
`;
}

/** One function per command; one with commands below it calls theirs. */
function functionOf({ path, subcommands, options, argument }: CompletedCommand): string {
  const specs = [
    ...options.map(optionSpec),
    ...(argument ? [quoted(`${argument.isOptional ? ':' : ''}:${action(argument)}`)] : []),
  ];
  if (subcommands.length === 0) {
    return `${nameOf(path)}() {
  _arguments \\
    ${specs.join(' \\\n    ')}
}
`;
  }
  const names = subcommands.map(({ name, description }) => quoted(`${name}:${description}`));
  const calls = subcommands.map(({ name }) => `    ${name}) ${nameOf(`${path} ${name}`.trim())} ;;`);
  return `${nameOf(path)}() {
  local curcontext=$curcontext state line
  local -a commands=(
    ${names.join('\n    ')}
  )
  _arguments -C \\
    ${[...specs, "'1:command:->command'", "'*::argument:->argument'"].join(' \\\n    ')}
  case $state in
  command) _describe command commands ;;
  argument)
    case $line[1] in
${calls.join('\n')}
    esac ;;
  esac
}
`;
}

function optionSpec({ long, short, description, value }: CompletedOption): string {
  const help = `[${description.replaceAll(/[\\[\]]/g, String.raw`\$&`)}]`;
  const takes = value ? `:${value.isOptional ? ':' : ''}${action(value)}` : '';
  const name = `--${long}${value ? '=' : ''}`;
  if (short === undefined) return quoted(`${name}${help}${takes}`);
  return `${quoted(`(-${short} --${long})`)}{-${short},${name}}${quoted(`${help}${takes}`)}`;
}

/** The message that names a value, and what completes it. */
function action({ name, words, isFile }: CompletedValue): string {
  const message = name.replaceAll(':', String.raw`\:`);
  if (isFile) return `${message}:_files`;
  return `${message}:${words.length > 0 ? `(${words.join(' ')})` : ' '}`;
}

function nameOf(path: string): string {
  return `_order-numbers${path === '' ? '' : `-${path.replaceAll(' ', '-')}`}`;
}
