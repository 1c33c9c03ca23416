import { createInterface } from 'node:readline/promises';
import { LedgerRefused } from '../../core/errors.ts';
import type { OperatorContext } from './operator-command.ts';

/** Asks on the terminal whether to continue, unless --yes was given. Throws LedgerRefused if there is no terminal. */
export async function askToGoOn(isAgreed: boolean, { signal }: Pick<OperatorContext, 'signal'>): Promise<boolean> {
  if (isAgreed) return true;
  if (!process.stdin.isTTY) throw new LedgerRefused('not a terminal: confirm the loss with --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // In raw mode the terminal's Ctrl-C arrives here, not as a signal.
    const interrupted = new Promise<string>((resolve) => terminal.once('SIGINT', () => resolve('n')));
    const answer = await Promise.race([terminal.question('Continue? [y/N] ', { signal }), interrupted]);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    terminal.close();
  }
}
