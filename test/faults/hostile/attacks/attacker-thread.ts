import { parentPort, workerData } from 'node:worker_threads';
import { ATTACKS } from './all-attacks.ts';
import type { Attacker } from './attacker.ts';

// Attacks from a thread of its own, so that the honest clients beside it have their own event loop.

const { name, grpc, http, seed } = workerData as Attacker;
const attack = Object.values(ATTACKS).find((some) => name in some)?.[name];
if (!attack) throw new Error(`no attack is called ${name}`);
const did = (times: number) => parentPort!.postMessage(times);
await attack({ grpc, http, seed, did });
