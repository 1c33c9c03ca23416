#!/usr/bin/env node
// Plain JavaScript that any old Node can read, so that it can say in one line what it needs. Nothing else
// is loaded before the check: TypeScript and the native module of SQLite would end in riddles or a crash.
var version = process.versions.node.split('.').map(Number);
var runsTypeScript =
  version[0] > 23 || (version[0] === 23 && version[1] >= 6) || (version[0] === 22 && version[1] >= 18);
var hasNativeInterface = Number(process.versions.napi) >= 10;

if (runsTypeScript && hasNativeInterface) {
  import('./compile-cache.js').then(function (cache) {
    cache.keepCompiledCode();
    return import('./main.ts');
  });
} else {
  console.error(
    'order-numbers needs Node.js 22.18 or newer (23 from 23.6), and this is ' +
      process.versions.node +
      ': install a newer one; in the repository, `make run` brings its own',
  );
  process.exitCode = 2;
}
