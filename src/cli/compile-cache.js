// Plain JavaScript: the first TypeScript file that is not cached loads the whole compiler.
import { existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { enableCompileCache, getCompileCacheDir } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's folder, for both the source and the compiled code. */
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Keeps compiled code between runs, which halves the start time. Without a safe folder there is no cache, because any
 * user who can write to it decides what runs. NODE_COMPILE_CACHE and NODE_DISABLE_COMPILE_CACHE take precedence.
 */
export function keepCompiledCode() {
  if (getCompileCacheDir() !== undefined) return;
  const folder = compileCacheFolder(PACKAGE);
  if (folder === undefined) return;
  const umask = process.umask(0o077);
  enableCompileCache(folder);
  process.umask(umask);
}

/**
 * The folder of the cache inside a package, created if it is missing; undefined unless it is this user's alone.
 *
 * @param {string} root
 * @returns {string | undefined}
 */
export function compileCacheFolder(root) {
  if (process.getuid === undefined) return undefined;
  try {
    let folder = root;
    for (const name of ['node_modules', '.cache', 'order-numbers']) {
      const parent = folder;
      folder = join(parent, name);
      // Root creates nothing in another user's folder.
      if (!existsSync(folder) && lstatSync(parent).uid === process.getuid()) mkdirSync(folder, { mode: 0o700 });
    }
    const isOurs = [folder, ...readdirSync(folder).map((name) => join(folder, name))].every(isOnlyOurs);
    return isOurs ? folder : undefined;
  } catch {
    // Missing, read-only, or created by another process at this moment.
    return undefined;
  }
}

function isOnlyOurs(folder) {
  const stats = lstatSync(folder);
  return stats.isDirectory() && stats.uid === process.getuid() && (stats.mode & 0o022) === 0;
}
