#!/usr/bin/env node
// In the repository it runs from source, so that nothing has to be built and nothing built can be stale. The
// package holds compiled code only, because Node.js strips no types under node_modules.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const source = path('src/cli/order-numbers.js');
/** The Node.js that npm installs in the repository: the one on the PATH may be too old. */
const ownNode = path('node_modules/node/bin/node');

if (!existsSync(source)) await import('../dist/cli/order-numbers.js');
else if (!existsSync(path('node_modules/commander'))) {
  console.error('order-numbers: the dependencies are not installed yet: run `make run` first');
  process.exitCode = 2;
} else if (process.execPath !== ownNode && existsSync(ownNode)) runBy(ownNode);
else await import(source);

/** Runs the command line on another Node.js, and exits as it does. */
function runBy(node) {
  const child = spawn(node, [source, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends a signal to both processes; the command line treats two at once as one.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`order-numbers: cannot run ${node} (${error.message}): reinstall it with \`make clean run\``);
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
