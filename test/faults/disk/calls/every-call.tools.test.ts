import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../../../support/processes/server-process.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { faultRun, timeoutMs } from '../../frame/fault-run.ts';
import { Random } from '../../frame/random.ts';
import { Tally } from '../../frame/tally.ts';
import type { Control } from './controls.ts';
import { CONTROLS } from './controls.ts';
import type { Life } from './every-call.ts';
import { everyFault, FOUND, livesOf, nameOf } from './every-call.ts';
import type { CallCounts, CallFault } from './fault-slots.ts';

/** Lives, at most: each fault at each call of a life has one, and a life has about 270 calls. */
const RUN = faultRun('disk', { short: 24, long: 2500 });
/** They wait more than they compute. */
const AT_ONCE = 6;

it(
  'P1 P2 P3 P4 P5 P7: whichever write, fsync, open or truncate fails, once or for ever, nothing is lost or given twice',
  async (test) => {
    requireTools(test, 'gcc', 'linux');
    const tally = new Tally(RUN, test.task.name);
    const folder = testFolder();
    const faults = [...chosen(everyFault(await callsOfALife(join(folder, 'clean')))), ...FOUND];
    const wrong: string[] = [];
    let lives = 0;
    for await (const life of livesOf({ folder, faults, atOnce: AT_ONCE })) {
      tally.progress(++lives);
      if (life.fault && life.hits > 0) tally.inject(nameOf(life.fault));
      tally.count(life.counts);
      if (life.problems.length > 0) wrong.push(describe(life));
    }
    expect(wrong).toEqual([]);
    for (const [name, control] of Object.entries(CONTROLS)) await runControl(tally, name, control);
    tally.end();
  },
  timeoutMs(RUN),
);

/** The calls before the disk is well, of a life in which none fails; none of the folder's own are missed. */
async function callsOfALife(folder: string): Promise<CallCounts> {
  for await (const { problems, calls } of livesOf({ folder, faults: [undefined], atOnce: 1 })) {
    expect(problems).toEqual([]);
    return calls;
  }
  throw new Error('there was no life');
}

/**
 * All, or as many as there are rounds: first, in any order, one error for each call, once and for ever, and then the
 * others. So twice as many rounds as there are calls fail each of them.
 */
function chosen(faults: readonly CallFault[]): readonly CallFault[] {
  const random = new Random(RUN.seed);
  const shuffled = faults
    .map((fault) => ({ fault, place: random.below(2 ** 30) }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ fault }) => fault);
  const groups = Map.groupBy(shuffled, ({ call, nth, times }) => `${call} ${nth} ${times === -1}`);
  const first = new Set([...groups.values()].map(([fault]) => fault!));
  return [...first, ...shuffled.filter((fault) => !first.has(fault))].slice(0, RUN.rounds);
}

/** Red if at least one fault of each call is noticed. */
async function runControl(tally: Tally, name: string, { patches, faults, says }: Control): Promise<void> {
  const sentences = new Map<string, string>();
  const others: string[] = [];
  for await (const { fault, problems } of livesOf({ folder: testFolder(), faults, patches, atOnce: AT_ONCE })) {
    const sentence = problems.find((problem) => says.test(problem));
    if (fault && sentence !== undefined) sentences.set(fault.call, sentence);
    else others.push(...problems);
  }
  const isRed = faults.every(({ call }) => sentences.has(call));
  const said = [...sentences].map(([call, sentence]) => `${call}: ${sentence}`).join('; ');
  tally.control(name, isRed, isRed ? said : `${said}; beside it: ${others.join('; ') || 'nothing'}`);
}

function describe({ fault, problems, said }: Life): string {
  const where = fault ? `call ${fault.nth}, ${nameOf(fault)}` : 'no fault';
  return `${where}: ${problems.join('; ')} [${said.join(' | ')}]`;
}
