import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlantedBug } from './planted-bug.ts';
import { withChange } from './planted-bug.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Installed packages: too many to copy. */
const INSTALLED = ['node_modules', 'test/server/console/node_modules', '.tools'];

/** A copy of the working tree, in which bugs can be planted. */
export class TreeCopy {
  readonly folder = mkdtempSync(join(tmpdir(), 'planted-'));

  constructor() {
    // PostgreSQL, which does not run as root, is in it.
    chmodSync(this.folder, 0o755);
    for (const path of treeFiles()) cpSync(join(ROOT, path), join(this.folder, path));
    for (const path of INSTALLED) if (existsSync(join(ROOT, path))) this.#link(path);
    // Written again in place by vitest, which would write into the tree.
    rmSync(join(this.folder, 'node_modules/.vite'), { recursive: true, force: true });
  }

  /** Returns a function that takes the bug out again. Throws BadPatch, and changes nothing, if it does not fit. */
  plant({ changes }: PlantedBug): () => void {
    const originals = new Map<string, string>();
    const planted = new Map<string, string>();
    for (const change of changes) {
      const { path } = change;
      const text = planted.get(path) ?? readFileSync(join(this.folder, path), 'utf8');
      if (!originals.has(path)) originals.set(path, text);
      planted.set(path, withChange(text, change));
    }
    for (const [path, text] of planted) writeFileSync(join(this.folder, path), text);
    return () => {
      for (const [path, text] of originals) writeFileSync(join(this.folder, path), text);
    };
  }

  remove(): void {
    // A process that was just ended may still write.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** By hard links, so that modules are found inside the copy; by a symbolic link if the disk is another one. */
  #link(path: string): void {
    const copied = spawnSync('cp', ['-al', join(ROOT, path), join(this.folder, path)], { stdio: 'ignore' });
    if (copied.status === 0) return;
    rmSync(join(this.folder, path), { recursive: true, force: true });
    symlinkSync(join(ROOT, path), join(this.folder, path));
  }
}

/** What git knows of, and what it would add. */
function treeFiles(): string[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { stdout, status, stderr } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`git cannot list the files of the tree: ${stderr}`);
  return stdout.split('\0').filter((path) => path !== '' && existsSync(join(ROOT, path)));
}
