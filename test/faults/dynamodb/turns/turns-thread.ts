import { parentPort, workerData } from 'node:worker_threads';
import { loadSimulated } from '../../seeded/loading/hooks.ts';
import { randomUUID } from '../../seeded/loading/seeded-crypto.ts';
import { beginTime, replaceGlobals } from '../../seeded/time/globals.ts';
import { STAND_INS } from '../loading/stand-ins.ts';
import type { TurnsPlan } from './turns.ts';

// A thread with a clock of its own, in which servers that are not equally far from a table share it.

const plan = workerData as TurnsPlan;
loadSimulated(STAND_INS, plan.changes ?? []);
const { runTurns } = await import('./run-turns.ts');
replaceGlobals();
Object.defineProperty(crypto, 'randomUUID', { value: randomUUID });
parentPort!.postMessage(await runTurns(plan, beginTime(plan.seed)));
