import type { Fate, MessageFault, Network } from '../network/network.ts';
import { MESSAGE_FAULTS } from '../network/network.ts';
import type { ServerEnd } from '../network/server-end.ts';
import type { VirtualClock } from '../../seeded/time/virtual-clock.ts';
import type { Plan } from './plan.ts';
import { Random } from '../../seeded/random.ts';
import type { RunRecord } from '../../seeded/run-record.ts';
import type { Servers } from './servers.ts';

/** Codes that proxies answer with by themselves: UNKNOWN, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE. */
const BARE_CODES = [2, 8, 13, 14];
const OF_BATCHES: ReadonlySet<MessageFault> = new Set(['answer cut short', 'answers swapped']);
const OF_CALLS = MESSAGE_FAULTS.filter((fault) => !OF_BATCHES.has(fault));
/** A stream loses its end, but none of its messages. */
const OF_STREAMS: readonly MessageFault[] = ['stream refused', 'bare status, request dropped'];

/** Decides what happens to the messages of a run. */
export class Messages implements Network {
  readonly clock: VirtualClock;
  readonly isEncoded: boolean;
  readonly injected: (fault: string) => void;
  readonly #random: Random;
  readonly #share: number;
  readonly #record: RunRecord;
  readonly #servers: Servers;

  constructor(plan: Plan, clock: VirtualClock, record: RunRecord, servers: Servers) {
    this.clock = clock;
    this.#random = new Random(plan.messageSeed);
    this.#share = plan.messageFaults;
    this.isEncoded = plan.isEncoded;
    this.#record = record;
    this.injected = record.injected;
    this.#servers = servers;
  }

  reach(): ServerEnd | undefined {
    return this.#servers.listening;
  }

  connectMs(): number {
    return this.#random.between(1, 8) / 4;
  }

  fate(_client: number, isStream: boolean, isBatch: boolean): Fate {
    const random = this.#random;
    const faults = isStream ? OF_STREAMS : isBatch ? MESSAGE_FAULTS : OF_CALLS;
    return {
      requestMs: this.#ms(),
      answerMs: this.#ms(),
      fault: random.chance(this.#share) ? random.pick(faults) : undefined,
      lateMs: random.pick([1, 5, 40, 300, 2000]) + random.below(20),
      bareCode: random.pick(BARE_CODES),
    };
  }

  note(what: string, client: number, detail: string): void {
    this.#record.note(what, `client ${client} ${detail}`);
  }

  /** Mostly fast, and in steps, so that messages often arrive at the same time. */
  #ms(): number {
    return this.#random.chance(0.05) ? this.#random.between(5, 40) : this.#random.between(1, 8) / 4;
  }
}
