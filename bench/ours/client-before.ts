import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../processes/child-process.ts';

/** The last commit without BatchAllocateOrders. */
const COMMIT = '4a7007c';
/** Inside the repository, whose packages it imports, but outside node_modules, where Node.js strips no types. */
const CACHE = new URL('../../.tools', import.meta.url).pathname;
/** The folders that a client imports from. */
const FOLDERS = ['src/client', 'src/core', 'src/wire'];

/** Resolves to one line that says why that client is not available, or to undefined. */
export async function missingBefore(): Promise<string | undefined> {
  const { code } = await runChild('git', ['cat-file', '-e', `${COMMIT}^{commit}`]).catch(() => ({ code: -1 }));
  return code === 0 ? undefined : `the client of commit ${COMMIT} is missing: clone the repository with its history`;
}

/** Resolves to the path of that client's module, which is extracted from the history the first time. */
export async function clientBefore(): Promise<string> {
  const folder = join(CACHE, `client-${COMMIT}`);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    mkdirSync(unfinished, { recursive: true });
    const command = `git archive ${COMMIT} ${FOLDERS.join(' ')} | tar -x -C "$0"`;
    const { code, stderr } = await runChild('sh', ['-c', command, unfinished]);
    if (code !== 0) throw new Error(`the client of commit ${COMMIT} could not be read: ${stderr.trim()}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  }
  return join(folder, 'src/client/index.ts');
}
