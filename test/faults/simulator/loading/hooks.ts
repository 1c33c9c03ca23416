import { registerHooks } from 'node:module';
import type { PlantedBug } from './planted-bugs.ts';

const HERE = new URL('../', import.meta.url);
const SRC = new URL('../../../../src/', import.meta.url).href;

/** What stands in for a module, by the file that imports it and its name there. */
const STAND_INS: Readonly<Record<string, string>> = {
  'client/connection/connection.ts @grpc/grpc-js': 'network/channel.ts',
  'client/connection/connection.ts ./diagnosis.ts': 'loading/diagnosis.ts',
  'client/request-ids.ts node:crypto': 'loading/seeded-crypto.ts',
  'core/allocation.ts node:crypto': 'loading/seeded-crypto.ts',
};

/**
 * Loads src over the simulated network from now on, in this thread. With a planted bug, its files are loaded with the bug
 * in them; throws if they no longer have the lines that it changes.
 */
export function loadSimulated(bug?: PlantedBug): void {
  const unused = new Set(bug?.changes);
  registerHooks({
    resolve(specifier, context, next) {
      const parent = context.parentURL ?? '';
      const standIn = parent.startsWith(SRC) ? STAND_INS[`${parent.slice(SRC.length)} ${specifier}`] : undefined;
      return standIn === undefined
        ? next(specifier, context)
        : { url: new URL(standIn, HERE).href, shortCircuit: true, format: 'module-typescript' };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const changes = [...unused].filter(({ file }) => url.endsWith(`/${file}`));
      if (changes.length === 0) return loaded;
      let source = String(loaded.source);
      for (const { from, to, file } of changes) {
        if (source.split(from).length !== 2) throw new Error(`${file} does not have exactly once: ${from}`);
        source = source.replace(from, () => to);
      }
      return { ...loaded, source };
    },
  });
}
