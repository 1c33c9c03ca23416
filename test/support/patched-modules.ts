import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

// Preloaded with --import, in a process and its threads: source files are loaded as the patches in PATCHES change them.
// Thus a control takes a protection out of the code, and production code has no switch for it.

/** A change of one source file: `find` has to occur in it exactly once. */
export interface Patch {
  /** As from the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** The environment of a process whose modules are patched. */
export function patchedBy(patches: readonly Patch[]): Readonly<Record<string, string>> {
  const options = [process.env['NODE_OPTIONS'], `--import=${import.meta.url}`].filter(Boolean).join(' ');
  return { NODE_OPTIONS: options, PATCHES: JSON.stringify(patches) };
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const patches = JSON.parse(process.env['PATCHES'] ?? '[]') as readonly Patch[];

if (patches.length > 0) {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const mine = patches.filter(({ file }) => url === new URL(file, `file://${ROOT}`).href);
      if (mine.length === 0) return loaded;
      return { ...loaded, source: mine.reduce(patched, textOf(loaded.source)) };
    },
  });
}

function textOf(source: unknown): string {
  return typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString();
}

function patched(text: string, { file, find, replace }: Patch): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`the patch of ${file} applies ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}
