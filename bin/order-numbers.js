#!/usr/bin/env node
// In the repository it runs from source, where nothing has to be built and nothing built can be stale. The
// package holds no source, for Node.js strips no types under node_modules: there it runs what was compiled.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const source = path('src/cli/order-numbers.js');
/** The Node.js that npm brings into the repository: the one in the path may be too old. */
const ownNode = path('node_modules/node/bin/node');

if (!existsSync(source)) await import('../dist/cli/order-numbers.js');
else if (!existsSync(path('node_modules/commander'))) {
  console.error('order-numbers: nothing is installed in this folder yet: run `make run` first');
  process.exitCode = 2;
} else if (process.execPath !== ownNode && existsSync(ownNode)) runBy(ownNode);
else await import(source);

/** Runs the command line by another Node.js, and ends as it ends. */
function runBy(node) {
  const child = spawn(node, [source, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends its signals to both; the command line takes two that come at once for one.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`order-numbers: ${node} cannot be run (${error.message}): run \`make clean run\``);
    process.exitCode = 2;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}
