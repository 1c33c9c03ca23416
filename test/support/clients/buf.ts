import { globSync } from 'node:fs';
import { join } from 'node:path';

const MODULES = new URL('../../../node_modules', import.meta.url).pathname;

/**
 * The program buf that npm brings for this machine. What is in .bin is a script that starts it, and by far the most of
 * the time that a call takes.
 */
export const BUF = globSync(join(MODULES, '@bufbuild/buf-*/bin/buf'))[0] ?? join(MODULES, '.bin/buf');
