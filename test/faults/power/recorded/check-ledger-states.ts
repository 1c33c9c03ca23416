import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../frame/random.ts';
import type { FolderState } from './writes/folder-state.ts';
import { SeenFolder, TOLD, applied, hashOf, isIn, putInto } from './writes/folder-state.ts';
import { cutsOf } from './writes/cuts.ts';
import { STYLED_STORE } from './lives/ledger-life.ts';
import type { MarkRule, Opening } from './ledger-opening.ts';
import { faultIn, openingOf } from './ledger-opening.ts';
import type { RecordChangeName } from './writes/record-changes.ts';
import { RECORD_CHANGES } from './writes/record-changes.ts';
import type { RecordedWrite } from './writes/record-writes.ts';
import { readRecord } from './writes/record-writes.ts';
import { Told } from './lives/told.ts';
import { UnsyncedDisk } from './writes/unsynced-disk.ts';

// A program: rebuilds the files of a recorded ledger as they may be after each of its writes, opens them and checks what
// is there. It takes StateChecks in JSON, and prints StateResult. Run in a process of its own, with IN_ONE_PROCESS.

export interface StateChecks {
  /** The file with the record. */
  readonly record: string;
  /** The number of writes in it that came before all that is checked. */
  readonly from: number;
  /** A folder for the rebuilt files, and the one of the recorded ledger's backups. */
  readonly place: string;
  readonly backups: string;
  readonly seed: number;
  /** What ended the process. An older copy is put over the database after either. */
  readonly end: 'kill' | 'power cut' | 'kill, older copy' | 'power cut, older copy';
  /** The share of the moments that are looked at. */
  readonly share: number;
  /** The random cuts of each moment, and how many of the last unsynced changes are taken out or left alone. */
  readonly cuts: number;
  readonly change?: RecordChangeName | undefined;
  /** Whether it says how far it is. */
  readonly isLong?: boolean | undefined;
  /** Whether the first fault is enough. */
  readonly stopsAtFault?: boolean | undefined;
}

export interface StateResult {
  readonly states: number;
  /** Without those that were the same. */
  readonly different: number;
  /** One in each sentence, ten at most. */
  readonly faults: readonly string[];
  readonly faulty: number;
  /** States that were refused as they must be, and older copies that nothing could notice. */
  readonly refused: number;
  readonly unnoticed: number;
  readonly asked: number;
  readonly acknowledged: number;
}

const MAX_FAULTS = 10;
const REMEMBERED_OPENINGS = 1000;
const PROGRESS_EVERY_MS = 10_000;

class StateCheck {
  readonly #checks: StateChecks;
  readonly #random: Random;
  readonly #hashes = new Set<string>();
  /** The latest, by the hash of the state: most states that are the same come one after another. */
  readonly #openings = new Map<string, { readonly opening: Opening; readonly isUnchanged: boolean }>();
  readonly #told = new Told();
  readonly #seen = new SeenFolder();
  readonly #disk = new UnsyncedDisk();
  readonly #faults: string[] = [];
  #states = 0;
  #faulty = 0;
  #refused = 0;
  #unnoticed = 0;
  /** What was told when the database was synced last, and at the last such time before the WAL began anew. */
  #synced = 0n;
  #known = 0n;
  #saidMs = performance.now();

  constructor(checks: StateChecks) {
    this.#checks = checks;
    this.#random = new Random(checks.seed);
  }

  run(): StateResult {
    const { record, from, change, stopsAtFault = false } = this.#checks;
    const writes = readRecord(record);
    for (const [i, write] of (change ? RECORD_CHANGES[change](writes) : writes).entries()) {
      const isLooked = i >= from && this.#isLooked(write);
      if (isLooked && this.#checks.end === 'kill') this.#checkHalf(write, i);
      this.#apply(write);
      if (isLooked) this.#check(`after ${i}, ${write.kind} ${write.name}`, write);
      if (stopsAtFault && this.#faulty > 0) break;
    }
    return {
      states: this.#states,
      different: this.#hashes.size,
      faults: this.#faults,
      faulty: this.#faulty,
      refused: this.#refused,
      unnoticed: this.#unnoticed,
      asked: this.#told.asked.size,
      acknowledged: this.#told.given.size,
    };
  }

  /** What puts a mark on disk is rare, and always looked at. */
  #isLooked({ kind, name }: RecordedWrite): boolean {
    return this.#random.chance(this.#checks.share) || (name === 'orders.db.mark' && kind !== 'write');
  }

  #apply(write: RecordedWrite): void {
    if (write.name === TOLD) {
      if (write.kind === 'write') this.#told.apply(write.bytes.toString('latin1'));
      return;
    }
    if (write.kind === 'sync' && write.name === 'orders.db') this.#synced = this.#told.end;
    if (write.kind === 'write' && write.name === 'orders.db-wal' && write.offset === 0) this.#known = this.#synced;
    this.#seen.apply(write);
    this.#disk.apply(write);
  }

  #check(where: string, write: RecordedWrite): void {
    const { end, cuts } = this.#checks;
    if (end === 'kill') {
      // After a sync nothing has changed.
      if (write.kind !== 'sync') this.#judge(this.#seen.state, `a kill ${where}`, this.#exact);
      return;
    }
    if (end === 'kill, older copy') {
      if (write.kind !== 'sync') this.#checkOlderCopies(this.#seen.state, `a kill ${where}`, this.#told.end);
      return;
    }
    for (const cut of cutsOf(this.#disk, this.#random, cuts)) {
      const state = this.#disk.cut(cut, this.#random);
      const what = `a power cut ${where}, on disk: ${cut.name}`;
      if (end === 'power cut') this.#judge(state, what, { atLeast: this.#known, mayBeTorn: true });
      else this.#checkOlderCopies(state, what, this.#known);
    }
  }

  get #exact(): MarkRule {
    // The file exists for a moment before it has its first line.
    return { atLeast: this.#told.end, mayBeTorn: this.#told.end === 0n };
  }

  /** A kill in the middle of a write. The mark is written in one. */
  #checkHalf(write: RecordedWrite, i: number): void {
    if (write.kind !== 'write' || write.bytes.length <= 512 || write.name === TOLD) return;
    const state = new Map(this.#seen.state);
    const half = { ...write, bytes: write.bytes.subarray(0, 512 * this.#random.between(1, write.bytes.length / 512)) };
    state.set(write.name, applied(state.get(write.name)!, half));
    this.#judge(state, `a kill in the middle of ${i}, ${write.kind} ${write.name}`, this.#exact);
  }

  /** Each is refused, and no file changed, or loses nothing, or is as new as what the mark has to know. */
  #checkOlderCopies(state: FolderState, where: string, known: bigint): void {
    if (!state.has('orders.db')) return;
    for (let n = 0; n < this.#told.backups; n++) {
      const mixed = new Map(state).set('orders.db', readFileSync(join(this.#checks.backups, String(n))));
      const { opening, isUnchanged } = this.#open(mixed);
      const what = `backup ${n} over the database after ${where}`;
      if (opening.isRefused) {
        this.#refused++;
        if (!isUnchanged) this.#report(`${what}: refused, but the files have changed`);
      } else {
        const fault = faultIn(opening, this.#told, { atLeast: 0n, mayBeTorn: true });
        if (fault === undefined) continue;
        if (opening.failed === undefined && opening.lastOrderId >= known && known < this.#told.end) this.#unnoticed++;
        else this.#report(`${what}: ${fault}`);
      }
    }
  }

  #judge(state: FolderState, where: string, rule: MarkRule): void {
    const fault = faultIn(this.#open(state).opening, this.#told, rule);
    if (fault !== undefined) this.#report(`${where}: ${fault}`);
  }

  #report(fault: string): void {
    this.#faulty++;
    if (this.#faults.length < MAX_FAULTS) this.#faults.push(fault);
  }

  #open(state: FolderState) {
    this.#states++;
    const hash = hashOf(state);
    this.#hashes.add(hash);
    const known = this.#openings.get(hash);
    if (known) return known;
    putInto(this.#checks.place, state);
    const opening = openingOf(this.#checks.place, STYLED_STORE);
    const result = { opening, isUnchanged: opening.isRefused && isIn(this.#checks.place, state) };
    this.#openings.set(hash, result);
    if (this.#openings.size > REMEMBERED_OPENINGS) this.#openings.delete(this.#openings.keys().next().value!);
    this.#progress();
    return result;
  }

  #progress(): void {
    if (!this.#checks.isLong || performance.now() - this.#saidMs < PROGRESS_EVERY_MS) return;
    this.#saidMs = performance.now();
    process.stderr.write(`power: ${this.#checks.end}: ${this.#states} states, ${this.#hashes.size} different\n`);
  }
}

const result = new StateCheck(JSON.parse(process.argv[2]!) as StateChecks).run();
process.stdout.write(JSON.stringify(result));
