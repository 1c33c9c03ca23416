import type { Random } from '../../seeded/random.ts';
import type { RunRecord } from '../../seeded/run-record.ts';
import type { SimulatedProcess, VirtualClock } from '../../seeded/time/virtual-clock.ts';
import type { Account } from '../table/account.ts';
import type { Fates, Kind } from '../table/fates.ts';
import type { Point, TableWorld } from '../table/simulated-client.ts';
import { NOBODY } from '../table/simulated-client.ts';
import type { Plan, PlannedEvent } from './plan.ts';
import { ServerLife } from './server-life.ts';

/** A server that cannot go on is started again this much later. */
const RESTART_MS = 200;

/** The servers of a run: one life after the other in each place. */
export class Servers implements TableWorld {
  readonly clock: VirtualClock;
  readonly account: Account;
  readonly fates: Fates;
  lives = 0;
  /** No server is started: an operator knows which table is the right one. */
  isHeld = false;
  readonly #plan: Plan;
  readonly #record: RunRecord;
  readonly #random: Random;
  readonly #lives: (ServerLife | undefined)[];
  readonly #aheadMs: number[];
  readonly #armed: { readonly kind: Kind; readonly point: Point; readonly downMs: number }[] = [];
  readonly #places = new WeakMap<SimulatedProcess, number>();
  /** Lives that have ended, of which each has one that follows it: a life may be killed while it stops or fails. */
  readonly #ended = new WeakSet<ServerLife>();

  constructor(plan: Plan, record: RunRecord, clock: VirtualClock, account: Account, fates: Fates, random: Random) {
    this.#plan = plan;
    this.#record = record;
    this.clock = clock;
    this.account = account;
    this.fates = fates;
    this.#random = random;
    this.#lives = plan.servers.map(() => undefined);
    this.#aheadMs = plan.servers.map(({ aheadMs }) => aheadMs);
  }

  readonly injected = (fault: string): void => this.#record.injected(fault);
  readonly note = (what: string, detail: string): void => this.#record.note(what, detail);

  begin(): void {
    for (const [place, { startMs }] of this.#plan.servers.entries()) this.#startAfter(place, startMs);
  }

  /** Those that take calls. */
  get listening(): readonly ServerLife[] {
    return this.#lives.filter((life) => life?.isListening === true) as ServerLife[];
  }

  get areAllUp(): boolean {
    return this.listening.length === this.#lives.length;
  }

  /** The one in a place, or the next that listens. */
  at(place: number): ServerLife | undefined {
    for (let i = 0; i < this.#lives.length; i++) {
      const life = this.#lives[(place + i) % this.#lives.length];
      if (life?.isListening) return life;
    }
    return undefined;
  }

  /** Goes on as this server. */
  as(life: ServerLife): ServerLife {
    this.clock.process = life.process;
    return life;
  }

  disturb(event: PlannedEvent): void {
    if (event.what === 'kill') this.#killNext(event.server, event.downMs);
    if (event.what === 'kill at') this.#armed.push(event);
    if (event.what === 'stop') this.#stop(event.server, event.downMs);
    if (event.what === 'clock jumps') this.#jump(event.server, event.ms);
  }

  disarm(): void {
    this.#armed.length = 0;
  }

  reached(process: SimulatedProcess, kind: Kind, point: Point): void {
    if (process.isDead) return;
    const armed = this.#armed.find((each) => each.kind === kind && each.point === point);
    if (!armed) return;
    this.#armed.splice(this.#armed.indexOf(armed), 1);
    this.#killAt(this.#places.get(process)!, `kill: ${kind} ${point}`, armed.downMs);
  }

  /** The one in a place, or the next that listens. */
  #killNext(from: number, downMs: number): void {
    const life = this.at(from);
    if (life) this.#killAt(this.#places.get(life.process)!, 'kill', downMs);
    else this.clock.after(RESTART_MS, () => this.#killNext(from, downMs), NOBODY);
  }

  #killAt(place: number, how: string, downMs: number): void {
    const life = this.#lives[place];
    if (!life?.isListening) return;
    this.#record.injected(how);
    this.#record.note('killed', life.name);
    life.kill();
    this.#follow(life, place, downMs);
  }

  #stop(place: number, downMs: number): void {
    const life = this.#lives[place];
    if (!life?.isListening) return;
    this.#record.injected('stop');
    this.as(life);
    void life.stop().then((isDrained) => {
      this.#record.reached(isDrained ? 'a server drained' : 'a server did not drain in time');
      this.#follow(life, place, downMs);
    });
  }

  #jump(place: number, ms: number): void {
    this.#aheadMs[place] = this.#aheadMs[place]! + ms;
    const life = this.#lives[place];
    if (life) life.process.aheadMs = this.#aheadMs[place];
    this.#record.injected(ms > 0 ? 'clock jumps ahead' : 'clock jumps back');
  }

  #follow(life: ServerLife, place: number, ms: number): void {
    if (this.#ended.has(life)) return;
    this.#ended.add(life);
    this.#startAfter(place, ms);
  }

  #startAfter(place: number, ms: number): void {
    this.clock.after(ms, () => this.#start(place), NOBODY);
  }

  #start(place: number): void {
    if (this.isHeld) return this.#startAfter(place, RESTART_MS);
    const process: SimulatedProcess = { isDead: false, aheadMs: this.#aheadMs[place]! };
    this.#places.set(process, place);
    this.lives++;
    this.clock.process = process;
    const { autoCreateStores, servers } = this.#plan;
    const name = `server-${place} life ${this.lives}`;
    this.#record.note('starts', name);
    const mayCreate = this.account.puts.length === 0;
    const { maxBatch } = servers[place]!;
    const settings = { maxBatch, autoCreateStores, mayCreate, aheadMs: process.aheadMs };
    this.#lives[place] = new ServerLife(name, process, this, settings, {
      reached: this.#record.reached,
      failed: (life) => {
        this.#record.reached('a server could not start');
        // Its process ends after it has said so.
        this.clock.after(
          1,
          () => {
            life.kill();
            this.#follow(life, place, RESTART_MS + this.#random.below(100));
          },
          NOBODY,
        );
      },
    });
  }
}
