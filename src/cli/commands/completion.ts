import { Argument, Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import type { CompletedCommand } from '../completion/completed-commands.ts';
import { completedCommands } from '../completion/completed-commands.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { runCommand } from '../run/run-command.ts';

const SCRIPTS: Readonly<Record<string, (commands: readonly CompletedCommand[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** `order-numbers completion`; `wholeProgram` loads every command. */
export function completionCommand(wholeProgram: () => Promise<Command>): Command {
  return new Command('completion')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      `
The script completes commands, options, and the values of options. It contains
all of them, so it runs nothing while you type.

Examples:
  echo 'eval "$(order-numbers completion bash)"' >> ~/.bashrc
  echo 'eval "$(order-numbers completion zsh)"' >> ~/.zshrc
  order-numbers completion fish > ~/.config/fish/completions/order-numbers.fish`,
    )
    .action((shell: string) =>
      runCommand(false, async ({ output }) => {
        const script = SCRIPTS[shell]!(completedCommands(await wholeProgram()));
        await output.line(script.trimEnd());
      }),
    );
}
