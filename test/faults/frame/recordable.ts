import { spawnSync } from 'node:child_process';

const ROOT = new URL('../../..', import.meta.url).pathname;
/** What a recorded run may have changed. */
const RECORDED = [
  'test/faults/record',
  'test/faults/mutation/record',
  'docs/reliability.md',
  'docs/reliability-record.md',
];

/** Why nothing can be recorded here, if so: a record names a commit, which has to be what ran, and has to stay. */
export function whyNotRecordable(): string | undefined {
  const { stdout, status } = git('status', '--porcelain', '--', '.', ...RECORDED.map((path) => `:!${path}`));
  if (status !== 0) return '--record needs a git repository: records name their commit';
  if (stdout !== '') return `--record needs a clean tree: records name their commit. Changed:\n${stdout}`;
  const hasMain = git('rev-parse', '--verify', '--quiet', 'main').status === 0;
  if (hasMain && git('merge-base', '--is-ancestor', 'HEAD', 'main').status !== 0) {
    return '--record needs a commit that is on main: records name it';
  }
  return undefined;
}

/** The commit of the working tree, as records name it. */
export function commitOfTree(): string {
  const { stdout, status } = git('rev-parse', '--short=9', 'HEAD');
  return status === 0 ? stdout.trim() : 'unknown';
}

/** As records have it. */
export function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function git(...args: string[]) {
  return spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
}
