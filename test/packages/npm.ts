import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { promisify } from 'node:util';

export const ROOT = new URL('../..', import.meta.url).pathname;
/** The folders of the packages, by name. */
export const PACKAGES = {
  'order-number-generator': ROOT,
  'order-number-generator-client': `${ROOT}packages/client/`,
} as const;
export type PackageName = keyof typeof PACKAGES;

const run = promisify(execFile);

/** A program's end. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
}

/** The npm of another Node.js: its main module, and the folder of that Node.js. */
export interface OtherNpm {
  readonly cli: string;
  readonly nodeFolder: string;
}

/**
 * Runs npm as a user would: not as a part of the npm that may have started this test, and on the user's own Node.js, next
 * to which npm looks for its settings. Rejects if it fails.
 */
export async function npm(cwd: string, args: readonly string[], other?: OtherNpm): Promise<Ended> {
  const path = process.env['PATH']!.split(delimiter).filter((folder) => !folder.startsWith(ROOT));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  const options = { cwd, maxBuffer: 16 * 1024 * 1024 };
  if (other === undefined) return run('npm', args, { ...options, env: { ...env, PATH: path.join(delimiter) } });
  const otherPath = [other.nodeFolder, ...path].join(delimiter);
  return run(`${other.nodeFolder}/node`, [other.cli, ...args], { ...options, env: { ...env, PATH: otherPath } });
}

/** What `npm pack` and `npm publish` say in JSON: older ones an object or a list, newer ones by the package's name. */
export function packedOf(json: string): { readonly filename: string; readonly files: { readonly path: string }[] } {
  const said = JSON.parse(json) as Record<string, unknown>;
  return ('files' in said ? said : Object.values(said)[0]) as ReturnType<typeof packedOf>;
}
