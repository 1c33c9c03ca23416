import type { CompletedCommand, CompletedOption } from './completed-commands.ts';
import { quoted } from '../view/shell-word.ts';

/** The completion of these commands for bash 3.2 or newer, which needs no package for it. */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  return `# Completion of order-numbers for bash; in ~/.bashrc: eval "$(order-numbers completion bash)"
_order_numbers() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} path= words= files= i
  # --output=json comes as three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
    ${commands.flatMap(pathsBelow).join(' | ')})
      path=\${path:+$path }\${COMP_WORDS[i]} ;;
    esac
  done
  case $path in
${commands.map((command) => `  ${quoted(command.path)}) ${assignments(command)} ;;`).join('\n')}
  esac
  case "$path $prev" in
${valueCases(commands).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n $files && $cur != -* ]]; then
    compopt -o filenames 2>/dev/null
    local IFS=$'\\n'
    COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}
complete -F _order_numbers order-numbers
`;
}

function pathsBelow({ path, subcommands }: CompletedCommand): string[] {
  return subcommands.map(({ name }) => quoted(`${path} ${name}`));
}

/** What the shell offers if no option value is expected. */
function assignments({ subcommands, options, argument }: CompletedCommand): string {
  const words = [...subcommands.map(({ name }) => name), ...(argument?.words ?? []), ...options.flatMap(namesOf)];
  return `words=${quoted(words.join(' '))}${argument?.isFile ? ' files=yes' : ''}`;
}

/** What it offers after options that take a value. Options with the same values share a line. */
function valueCases(commands: readonly CompletedCommand[]): string[] {
  const patterns = new Map<string, string[]>();
  for (const { path, options } of commands) {
    for (const option of options) {
      const { value } = option;
      if (!value) continue;
      const words = value.words.join(' ');
      // After an option whose value may be omitted, anything may follow.
      const action = value.isOptional
        ? `words="${words} $words"`
        : `words=${quoted(words)} files=${value.isFile ? 'yes' : ''}`;
      const names = namesOf(option).map((name) => quoted(`${path} ${name}`));
      patterns.set(action, [...(patterns.get(action) ?? []), ...names]);
    }
  }
  return [...patterns].map(([action, all]) => `  ${all.join(' | ')}) ${action} ;;`);
}

function namesOf({ long, short }: CompletedOption): string[] {
  return [`--${long}`, ...(short === undefined ? [] : [`-${short}`])];
}
