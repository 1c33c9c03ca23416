// A thread's first module: threads do not inherit the compile cache, and modules are compiled before any of them runs.
// Plain JavaScript, like src/cli/compile-cache.js.
import { enableCompileCache } from 'node:module';

const [, , module, cache] = process.argv;
if (cache) enableCompileCache(cache);
await import(module);
