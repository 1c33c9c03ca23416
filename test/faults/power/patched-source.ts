import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

// Loaded with --import before a program: takes a protection out of the sources that the program loads, without touching
// them. The patches come in PATCHED_SOURCE: see patches.ts.

/** One change of a source file. */
export interface Patch {
  /** The path from the root of the repository. */
  readonly file: string;
  /** Must occur exactly once. */
  readonly from: string;
  readonly to: string;
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const patches = JSON.parse(process.env['PATCHED_SOURCE'] ?? '[]') as readonly Patch[];

registerHooks({
  load(url, context, nextLoad) {
    const mine = patches.filter(({ file }) => url.startsWith('file:') && fileURLToPath(url) === ROOT + file);
    if (mine.length === 0) return nextLoad(url, context);
    let text = readFileSync(fileURLToPath(url), 'utf8');
    for (const { file, from, to } of mine) {
      if (text.split(from).length !== 2) throw new Error(`the patch of ${file} does not apply: ${from}`);
      text = text.replace(from, () => to);
    }
    return { format: 'module-typescript', source: text, shortCircuit: true };
  },
});
