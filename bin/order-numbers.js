#!/usr/bin/env node
// In the repository it runs from source, where nothing has to be built and nothing built can be stale. The
// package holds no source, for Node.js strips no types under node_modules: there it runs what was compiled.
import { existsSync } from 'node:fs';

const source = new URL('../src/cli/order-numbers.js', import.meta.url);
await import(existsSync(source) ? source.href : '../dist/cli/order-numbers.js');
