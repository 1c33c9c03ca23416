import { readFileSync } from 'node:fs';

/** The version of the package, whose folder is three levels above this file, both as source and compiled. */
export function packageVersion(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
