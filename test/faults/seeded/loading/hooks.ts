import { registerHooks } from 'node:module';
import type { SourceChange } from './planted-bug.ts';

const SRC = new URL('../../../../src/', import.meta.url).href;

/**
 * What stands in for a module: its URL, by the name that src imports it by, or by the file that does, a space, and the
 * name there.
 */
export type StandIns = Readonly<Record<string, URL>>;

/**
 * Loads src with these stand-ins from now on, in this thread, and with changes of its text; throws if a file no longer
 * has the lines that one of them changes.
 */
export function loadSimulated(standIns: StandIns, changes: readonly SourceChange[]): void {
  registerHooks({
    resolve(specifier, context, next) {
      const parent = context.parentURL ?? '';
      if (!parent.startsWith(SRC)) return next(specifier, context);
      const standIn = standIns[`${parent.slice(SRC.length)} ${specifier}`] ?? standIns[specifier];
      return standIn === undefined
        ? next(specifier, context)
        : { url: standIn.href, shortCircuit: true, format: 'module-typescript' };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const own = changes.filter(({ file }) => url.endsWith(`/${file}`));
      if (own.length === 0) return loaded;
      let source = String(loaded.source);
      for (const { from, to, file } of own) {
        if (source.split(from).length !== 2) throw new Error(`${file} does not have exactly once: ${from}`);
        source = source.replace(from, () => to);
      }
      return { ...loaded, source };
    },
  });
}
