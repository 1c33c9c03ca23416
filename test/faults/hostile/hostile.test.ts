import { expect, it } from 'vitest';
import { faultRun, timeoutMs } from '../frame/fault-run.ts';
import { Random } from '../frame/random.ts';
import { Tally } from '../frame/tally.ts';
import { AttackedServer } from './attacked-server.ts';
import type { Defence } from './attacks/all-attacks.ts';
import { ATTACKS } from './attacks/all-attacks.ts';
import { smuggle } from './smuggling.ts';
import { duplicateStorm } from './storm.ts';

const MAX_SAID = 300;
const TEST = 'P1 to P6: a server under attack answers its honest clients, loses nothing, and has its memory back';
/** Rounds of all attacks, in another order and with other seeds each; the short form has two of them, once. */
const run = faultRun('hostile', { short: 1, long: 2 });
const SHORT: ReadonlySet<string> = new Set(['rapid reset', 'a CONTINUATION flood']);
/** Answers that the honest clients get before the attacks, and during each; and what it does meanwhile, at least. */
const [WARM_UP, ANSWERS, TIMES] = run.isLong ? [3000, 300, 200] : [300, 50, 200];
/**
 * The attack that finds out that a protection is missing, and how often it has to do something for that. The other floods
 * have none that is red each time: Node.js and nghttp2 bound what one connection can do, too.
 */
const CONTROLS: Readonly<Record<string, readonly [attack: string, times: number]>> = {
  'bound of unfinished messages': ['messages without an end', Infinity],
  'rule about compression': ['decompression bombs', Infinity],
  'refusal of what is no JSON': ['malformed requests', TIMES],
  'authentication of callers': ['wrong tokens', TIMES],
};
/** Missing protections that are noticed in a moment, on one server. */
const [COPIES, LENGTH] = ['keys of some copies', 'one length of a request'];
/** So that every connection that a server takes is there at the same time, and every call in flight. */
const TIMES_OF: Readonly<Record<string, number>> = {
  '10,000 connections': 12_000,
  'half-open connections': 4000,
  'ten times the calls in flight': 20_000,
  'twice the rate in an open loop': 20_000,
};

it(
  'P1 to P6: a server under attack answers its honest clients, loses nothing, and has its memory back',
  async () => {
    const tally = new Tally(run, TEST);
    const random = new Random(run.seed);
    for (const defence of Object.keys(ATTACKS) as Defence[]) expect(await attack(defence, tally, random)).toEqual([]);
    for (const protection of run.isLong ? Object.keys(CONTROLS) : []) await control(protection, tally);
    if (run.isLong) await controlsOfStormAndSmuggling(tally);
    tally.end();
  },
  timeoutMs(run),
);

/** Returns what the history of the honest clients contradicts. */
async function attack(defence: Defence, tally: Tally, random: Random): Promise<readonly string[]> {
  const names = Object.keys(ATTACKS[defence]).filter((name) => run.isLong || SHORT.has(name));
  if (names.length === 0) return [];
  const server = await AttackedServer.start({ defence, warmUp: WARM_UP, seed: randomSeed(random) });
  for (let round = 0; round < run.rounds; round++) {
    // In another order each time: what one attack leaves behind is there for the next.
    const order = names.map((name) => ({ name, place: randomSeed(random) })).toSorted((a, b) => a.place - b.place);
    for (const { name } of order) {
      tally.progress(round + 1);
      const times = run.isLong ? (TIMES_OF[name] ?? TIMES) : TIMES;
      const { did, broken } = await server.under(name, ANSWERS, times, randomSeed(random));
      expect(broken).toEqual([]);
      tally.inject(name, did);
    }
    if (defence !== 'open') continue;
    expect(await duplicateStorm(server.address, server.history, `storm-${round}`)).toEqual([]);
    tally.inject('1,000 copies of a request at the same time');
    const { sent, served } = await smuggle(server.http);
    expect(served).toEqual([]);
    tally.inject('a request that hides another one', sent);
  }
  const verdict = await server.end();
  tally.count(verdict);
  return verdict.violations;
}

/** An attack on a server that is without what stops it. */
async function control(protection: string, tally: Tally): Promise<void> {
  const [name, times] = CONTROLS[protection]!;
  const [defence] = Object.entries(ATTACKS).find(([, attacks]) => name in attacks) as [Defence, unknown];
  const server = await AttackedServer.start({ defence, without: [protection], warmUp: WARM_UP });
  const { broken } = await server.under(name, ANSWERS, times, run.seed);
  const found = broken.length > 0 ? broken : (await server.end()).violations;
  await server.kill();
  tally.control(`without the ${protection}`, found.length > 0, found.slice(0, 2).join('; ').slice(0, MAX_SAID));
}

async function controlsOfStormAndSmuggling(tally: Tally): Promise<void> {
  const server = await AttackedServer.start({ without: [COPIES, LENGTH], warmUp: WARM_UP });
  const { served } = await smuggle(server.http);
  tally.control('a request may have two lengths', served.length > 0, served.join('; '));
  const faults = await duplicateStorm(server.address, server.history, 'storm');
  const { violations } = await server.end();
  const says = [...faults, ...violations].slice(0, 2).join('; ');
  tally.control(`without the ${COPIES}`, faults.length > 0 && violations.length > 0, says);
}

function randomSeed(random: Random): number {
  return random.below(2 ** 30);
}
