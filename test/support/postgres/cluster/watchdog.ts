import { createInterface } from 'node:readline';
import type { Leftovers } from './leftovers.ts';
import { removeLeftovers } from './leftovers.ts';

/*
 * A process that outlives the tests. Each line of its standard input says what there is to clear away; the input
 * ends when the process at its other end does, however that happened.
 */
let last = '[]';
for await (const line of createInterface({ input: process.stdin })) last = line;
// The newest first: a cluster before the copy of the programs that clear it away.
for (const leftovers of (JSON.parse(last) as Leftovers[]).toReversed()) await removeLeftovers(leftovers);
