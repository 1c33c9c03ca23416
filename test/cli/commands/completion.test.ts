import { describe, expect, it } from 'vitest';
import { localOrderNumbers as orderNumbers } from '../../support/processes/local-command.ts';

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s knows every command, option and word', async (shell) => {
    const { exitCode, stdout, stderr } = await orderNumbers(['completion', shell]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const help = (await orderNumbers(['--help'])).stdout;
    const commands = [...help.matchAll(/^ {2}([a-z-]+) .*? {2}/gm)].map(([, name]) => name!);
    expect(commands).toEqual(expect.arrayContaining(['serve', 'stores', 'token', 'completion']));
    const words = ['update', 'revoke', 'newest-first', 'grpc-listen', 'verbs', 'table json csv', 'bash zsh fish'];
    expect([...commands, ...words].filter((word) => !stdout.includes(word))).toEqual([]);
  });

  it('of another shell is wrong usage', async () => {
    const { exitCode, stdout, stderr } = await orderNumbers(['completion', 'tcsh']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain("'tcsh' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.");
  });
});
