import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HELP, MEASUREMENTS, parseFlags } from '../../bench/flags.ts';
import { testFolder } from '../support/processes/server-process.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

describe('flags of the bench', () => {
  it('without any, everything that is compared is measured in five rounds', () => {
    expect(parseFlags([])).toMatchObject({
      measurements: ['comparison', 'peers'],
      rounds: 5,
      seconds: 2,
      rows: [0, 10_000_000, 100_000_000],
    });
  });

  it('those that name measurements replace the comparison', () => {
    expect(parseFlags(['--memory', '--open-loop', '--orders', '7']).measurements).toEqual(['open-loop', 'memory']);
  });

  it('--quick is one short round, unless more are asked for', () => {
    expect(parseFlags(['--quick'])).toMatchObject({ rounds: 1, seconds: 1 });
    expect(parseFlags(['--quick', '--rounds', '3'])).toMatchObject({ rounds: 3, seconds: 1 });
  });

  it('--only is about the comparison alone', () => {
    expect(parseFlags(['--only', 'client,echo'])).toMatchObject({
      only: ['client', 'echo'],
      measurements: ['comparison'],
    });
  });

  it.each([
    ['--rounds', '0', 1],
    ['--seconds', '1.5', 1],
    ['--rows', '1,many', 0],
  ])('%s %s is refused in a line that says what is valid', (flag, value, least) => {
    const wrong = value.split(',').at(-1);
    expect(() => parseFlags([flag, value])).toThrow(
      `${flag} ${wrong} is not valid: use a whole number of at least ${least}`,
    );
  });

  it('--keys names kinds of request_ids', () => {
    expect(parseFlags(['--keys', 'uuidv4']).keys).toEqual(['uuidv4']);
    expect(parseFlags([]).keys).toEqual(['uuidv7', 'uuidv4']);
    expect(() => parseFlags(['--keys', 'uuidv4,ulid'])).toThrow('--keys ulid is not valid: use uuidv7 or uuidv4');
  });

  it('the help has all of them, and no line that a terminal would break', () => {
    const named = [...readFileSync(`${ROOT}bench/flags.ts`, 'utf8').matchAll(/^ {6}'?([\w-]+)'?: \{ type: '/gm)];
    const flags = named.map((match) => match[1]!);
    expect(flags).toEqual(expect.arrayContaining([...MEASUREMENTS, 'rounds', 'write-docs']));
    expect(flags.filter((flag) => !HELP.includes(`  --${flag} `))).toEqual([]);
    expect(HELP.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });
});

describe('make bench', () => {
  it('says in one line that h2load is missing and how to get it', () => {
    const result = bench(['--open-loop'], { PATH: testFolder() });
    const line = 'h2load is missing: install nghttp2-client (apt-get install nghttp2-client, brew install nghttp2)';
    // A folder for temporary files may be in memory, of which the bench warns first.
    expect(result).toEqual({ code: 1, said: expect.stringMatching(/^(warning: .*\n)?bench: .*\n$/) as string });
    expect(result.said).toContain(line);
  });

  it('refuses a peer that it does not know in one line that lists them', () => {
    const { code, said } = bench(['--only', 'client,mysql'], {});
    expect(code).toBe(2);
    expect(said).toMatch(/^bench: --only mysql is not valid: use allocate-order,.*client.*, or some of these\n$/);
  });
});

function bench(args: readonly string[], env: NodeJS.ProcessEnv): { code: number | null; said: string } {
  const command = ['bench/run.ts', '--folder', testFolder(), ...args];
  const { status, stderr } = spawnSync(process.execPath, command, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { code: status, said: stderr };
}
