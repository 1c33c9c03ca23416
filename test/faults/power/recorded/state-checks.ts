import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { IN_ONE_PROCESS, patched } from '../patches.ts';
import type { StateChecks, StateResult } from './check-ledger-states.ts';
import type { OperatorStateChecks } from './check-operator-states.ts';
import type { Patch } from '../patched-source.ts';
import type { OperatorCommand } from './operator-commands.ts';
import { backupsBeside } from './lives/ledger-life.ts';
import { WriteRecorder, placeForStates, readRecord } from './writes/record-writes.ts';

export type { StateResult } from './check-ledger-states.ts';

type Given = 'record' | 'from' | 'place' | 'backups';

/** A recorded ledger, from which the states of its files are rebuilt. */
export class RecordedLedger {
  readonly #place = placeForStates();
  readonly #recorder = new WriteRecorder(this.#place);
  #checks = 0;
  /** What was recorded before its life began. */
  #from = 0;

  /** Its files, and the place for all that is rebuilt. The caller removes the latter. */
  get folder(): string {
    return this.#recorder.folder;
  }

  get place(): string {
    return this.#place;
  }

  /** Runs parts of its life, each `phase` or `phase seed`: see recorded-life.ts. */
  async run(phases: readonly string[], patches: readonly Patch[] = []): Promise<this> {
    for (const phase of phases) {
      const [, name = '', seed = ''] = /^(.*?)(?: (\d+))?$/.exec(phase) ?? [];
      await this.#recorder.run({ command: ['../lives/recorded-life.ts', name, seed], env: patched(...patches) });
    }
    return this;
  }

  /** Files that are on disk before its life is recorded, and what callers were told of. */
  begin(files: Readonly<Record<string, string>>, told: readonly string[]): this {
    this.#recorder.begin(new Map(Object.entries(files).map(([name, path]) => [name, readFileSync(path)])));
    this.#recorder.tell(`${told.join('\n')}\n`);
    return this.beginHere();
  }

  /** Runs an operator's command: see recorded-operator.ts. */
  async operate(command: OperatorCommand | 'before restore'): Promise<this> {
    await this.#recorder.run({ command: ['../lives/recorded-operator.ts', command] });
    return this;
  }

  /** All so far came before what is checked. */
  beginHere(): this {
    this.#from = readRecord(this.#recorder.record).length;
    return this;
  }

  /** Opens the states of its files, in a process of its own. */
  check(checks: Omit<StateChecks, Given>): Promise<StateResult> {
    return this.#run('check-ledger-states.ts', checks);
  }

  /** Looks at the states that the operator's command leaves. */
  checkOperator(checks: Omit<OperatorStateChecks, Given>): Promise<StateResult> {
    return this.#run('check-operator-states.ts', checks);
  }

  async #run(name: string, checks: Partial<StateChecks | OperatorStateChecks>): Promise<StateResult> {
    const program = new URL(name, import.meta.url).pathname;
    const all = {
      ...checks,
      record: this.#recorder.record,
      from: this.#from,
      place: join(this.#place, `states-${++this.#checks}`),
      backups: backupsBeside(this.#recorder.folder),
    };
    const child = spawn(process.execPath, [program, JSON.stringify(all)], {
      env: { ...process.env, ...patched(...IN_ONE_PROCESS) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.on('data', (chunk: Buffer) => checks.isLong && process.stderr.write(chunk));
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    if (output === '') throw new Error(`the check of the states failed: ${errors}`);
    return JSON.parse(output) as StateResult;
  }
}
