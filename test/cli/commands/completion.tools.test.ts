import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestContext } from 'vitest';
import { describe, expect, it } from 'vitest';
import { localOrderNumbers } from '../../support/processes/local-command.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { requireTools } from '../../support/required-tool.ts';

const run = promisify(execFile);

/** What is typed, its last word incomplete, and what the shell offers for that word. */
const CASES: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ['order-numbers sto', ['stores']],
  ['order-numbers stores ', ['create', 'get', 'list', 'update', '--help', '-h']],
  ['order-numbers stores upd', ['update']],
  ['order-numbers list --new', ['--newest-first']],
  ['order-numbers list --output ', ['table', 'json', 'csv']],
  ['order-numbers stores list --output c', ['csv']],
  ['order-numbers verify --output ', ['table', 'json']],
  ['order-numbers list --server ', []],
  // An option value with the name of a command is not a command.
  ['order-numbers list --server get --outp', ['--output']],
  ['order-numbers allocate --tls f', ['false']],
  ['order-numbers serve --metrics-secure t', ['true']],
  ['order-numbers completion f', ['fish']],
  ['order-numbers verify ord', ['orders.db']],
  ['order-numbers serve --tokens ', ['off', 'a folder', 'orders.db']],
  ['order-numbers restore --from ord', ['orders.db']],
  ['order-numbers import --dynamodb ord', ['orders.db']],
];

describe('bash', () => {
  it('accepts the script, and completes with it', async (test) => {
    const { script, folder } = await completionFor(test, 'bash');
    for (const [typed, offered] of CASES) {
      expect([typed, (await bashOffers(script, folder, typed)).toSorted()]).toEqual([typed, offered.toSorted()]);
    }
    // It splits this into three words.
    expect(await bashOffers(script, folder, 'order-numbers list --output =')).toEqual(['table', 'json', 'csv']);
    expect(await bashOffers(script, folder, 'order-numbers list --output = js')).toEqual(['json']);
  });
});

describe('fish', () => {
  it('accepts the script, and completes with it', async (test) => {
    const { script, folder } = await completionFor(test, 'fish');
    await run('fish', ['--no-execute', script]);
    for (const [typed, offered] of CASES) {
      // Without a dash it offers no option, and what may be omitted it does not offer at all.
      if (/ --(tls|metrics-secure) /.test(typed)) continue;
      const expected = typed.endsWith('-') ? offered : offered.filter((word) => !/^--?h/.test(word));
      const { stdout } = await run('fish', ['--no-config', '-c', `source ${script}; complete -C '${typed}'`], {
        cwd: folder,
      });
      const words = stdout.split('\n').flatMap((line) => line.split('\t')[0]!.replace(/\/$/, '') || []);
      expect([typed, words.toSorted()]).toEqual([typed, expected.toSorted()]);
    }
  });
});

describe('zsh', () => {
  it('accepts the script, and registers it', async (test) => {
    const { script, folder } = await completionFor(test, 'zsh');
    await run('zsh', ['-n', script]);
    const load = `autoload -Uz compinit; compinit -D -u; source ${script}; print -- $_comps[order-numbers]`;
    const { stdout, stderr } = await run('zsh', ['-fc', load], { cwd: folder });
    expect({ stdout, stderr }).toEqual({ stdout: '_order-numbers\n', stderr: '' });
  });
});

/** The script, and a folder with an `orders.db` and `a folder` in it. */
async function completionFor(test: TestContext, shell: 'bash' | 'zsh' | 'fish') {
  requireTools(test, shell);
  const folder = testFolder();
  const script = join(testFolder(), shell);
  const { stdout } = await localOrderNumbers(['completion', shell]);
  writeFileSync(script, stdout);
  writeFileSync(join(folder, 'orders.db'), '');
  mkdirSync(join(folder, 'a folder'));
  return { script, folder };
}

/** What bash would offer if a tab were typed; readline itself, which cuts the line into words, is not asked. */
async function bashOffers(script: string, cwd: string, typed: string): Promise<string[]> {
  const ask = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _order_numbers; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await run('bash', ['--norc', '-uc', ask, script, ...typed.split(' ')], { cwd });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => line !== '');
}
