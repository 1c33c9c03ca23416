import { join } from 'node:path';
import { Random } from '../../frame/random.ts';
import { cutsOf } from './writes/cuts.ts';
import type { FolderState } from './writes/folder-state.ts';
import { SeenFolder, TOLD, hashOf, putInto } from './writes/folder-state.ts';
import type { OperatorCommand } from './operator-commands.ts';
import { OPERATOR_CHECKS } from './operator-commands.ts';
import { RECORD_CHANGES } from './writes/record-changes.ts';
import type { RecordedWrite } from './writes/record-writes.ts';
import { readRecord } from './writes/record-writes.ts';
import type { StateChecks, StateResult } from './check-ledger-states.ts';
import { Told } from './lives/told.ts';
import { UnsyncedDisk } from './writes/unsynced-disk.ts';

// A program: as check-ledger-states.ts, for what an operator's command does to its files. Each moment has a kill and its
// power cuts.

export interface OperatorStateChecks extends Omit<StateChecks, 'end'> {
  readonly command: OperatorCommand;
}

class OperatorStateCheck {
  readonly #checks: OperatorStateChecks;
  readonly #random: Random;
  readonly #seen = new SeenFolder();
  readonly #disk = new UnsyncedDisk();
  /** The states of this moment, which are looked at once, and all so far. */
  #checked = new Set<string>();
  readonly #hashes = new Set<string>();
  readonly #told = new Told();
  readonly #faults: string[] = [];
  #begun = 0n;
  #had = 0n;
  #isDone = false;
  #states = 0;

  constructor(checks: OperatorStateChecks) {
    this.#checks = checks;
    this.#random = new Random(checks.seed);
  }

  async run(): Promise<StateResult> {
    const { record, from, change, share, cuts, stopsAtFault = false } = this.#checks;
    const writes = readRecord(record);
    for (const [i, write] of (change ? RECORD_CHANGES[change](writes) : writes).entries()) {
      this.#apply(write);
      if (i < from || !this.#random.chance(share)) continue;
      const where = `after ${i}, ${write.kind} ${write.name}`;
      await this.#check(this.#seen.state, `a kill ${where}`);
      for (const cut of cutsOf(this.#disk, this.#random, cuts)) {
        await this.#check(this.#disk.cut(cut, this.#random), `a power cut ${where}, on disk: ${cut.name}`);
      }
      if (stopsAtFault && this.#faults.length > 0) break;
    }
    const { length: faulty } = this.#faults;
    const [asked, acknowledged] = [this.#told.asked.size, this.#told.given.size];
    const faults = this.#faults.slice(0, 10);
    const refused = { refused: 0, unnoticed: 0 };
    return { states: this.#states, different: this.#hashes.size, faults, faulty, ...refused, asked, acknowledged };
  }

  #apply(write: RecordedWrite): void {
    if (write.name !== TOLD) {
      this.#seen.apply(write);
      this.#disk.apply(write);
      return;
    }
    this.#checked = new Set();
    if (write.kind !== 'write') return;
    const text = write.bytes.toString('latin1');
    this.#told.apply(text);
    const [event, what = ''] = text.trimEnd().split(' ');
    if (event === 'begins') this.#begun = BigInt(what);
    if (event === 'has' && /^\d+$/.test(what)) this.#had = BigInt(what);
    if (event === 'has') this.#isDone = true;
  }

  async #check(state: FolderState, where: string): Promise<void> {
    this.#states++;
    const hash = hashOf(state);
    this.#hashes.add(hash);
    if (this.#checked.has(hash)) return;
    this.#checked.add(hash);
    const { command, place, backups } = this.#checks;
    putInto(place, state);
    const had = this.#told.end > this.#had ? this.#told.end : this.#had;
    const told = { begun: this.#begun, had, isDone: this.#isDone, backup: join(backups, '0') };
    try {
      const fault = await OPERATOR_CHECKS[command](place, told);
      if (fault !== undefined) this.#faults.push(`${where}: ${fault}`);
    } catch (error) {
      this.#faults.push(`${where}: ${String(error)}`);
    }
  }
}

const result = await new OperatorStateCheck(JSON.parse(process.argv[2]!) as OperatorStateChecks).run();
process.stdout.write(JSON.stringify(result));
