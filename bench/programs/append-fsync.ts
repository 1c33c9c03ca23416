import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { median } from '../statistics.ts';

/**
 * Repeatedly appends 4 KiB and waits for the disk, and prints the p50 in ms: the disk's share of a lone allocation.
 * `node bench/programs/append-fsync.ts <file> <appends>`
 */
const [, , path, appends] = process.argv;
if (path === undefined || appends === undefined) throw new Error('append-fsync.ts needs a file and a number');

const page = Buffer.alloc(4096, 1);
const file = openSync(path, 'a');
const times: number[] = [];
for (let i = 0; i < Number(appends); i++) {
  const started = performance.now();
  writeSync(file, page);
  fsyncSync(file);
  times.push(performance.now() - started);
}
closeSync(file);
console.log(JSON.stringify({ p50_ms: median(times) }));
