#!/usr/bin/env node
// Plain JavaScript that even an old Node.js can parse, so that it can print in one line what it needs. Nothing else
// is loaded before the check: TypeScript or SQLite's native module would fail with a cryptic error or a crash.
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
    'order-numbers needs Node.js 22.18 or newer (not 23.0 to 23.5), but this is ' +
      process.versions.node +
      ': install a newer one; in the repository, `make run` installs its own',
  );
  process.exitCode = 2;
}
