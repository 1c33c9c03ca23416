import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ORDER_NUMBERS } from './server-process.ts';

/** Starts a command at something that is a terminal for it. */
export type Terminal = (args: readonly string[]) => ChildProcessWithoutNullStreams;

const PRETEND = 'for (const stream of [process.stdin, process.stdout, process.stderr]) stream.isTTY = true;';

/** Pipes that say they are a terminal. */
export const pretendedTerminal: Terminal = (args) =>
  spawn(process.execPath, ['--import', `data:text/javascript,${PRETEND}`, ORDER_NUMBERS, ...args]);

/** A real terminal, which script of bsdutils makes. */
export const realTerminal: Terminal = (args) => {
  const command = [process.execPath, ORDER_NUMBERS, ...args].map((word) => `'${word}'`).join(' ');
  // exec, because some shells stay between script and the command: its pid and its exit code are wanted.
  return spawn('script', ['-qec', `exec ${command}`, '/dev/null']);
};

/** The output of a command at a terminal until it ends; its question is answered once asked. */
export async function atTerminal(terminal: Terminal, args: readonly string[], question?: string, answer?: string) {
  const child = terminal(args);
  let said = '';
  let isAnswered = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += String(chunk);
      // What moves the cursor may come behind the question.
      if (isAnswered || question === undefined || !said.includes(question)) return;
      isAnswered = true;
      child.stdin.write(`${answer}\r`);
    });
  }
  await once(child, 'close');
  return { said, exitCode: child.exitCode };
}
