import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { memoryFolder } from '../../../../support/disk/memory-folder.ts';
import { toolPath } from '../../../../support/required-tool.ts';
import { TOLD } from './folder-state.ts';

/** One call that changed or synced a file or its folder, which is named `.`; see write-recorder.c. */
export type RecordedWrite =
  | { readonly kind: 'write'; readonly name: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly name: string; readonly length: number }
  | { readonly kind: 'rename'; readonly name: string; readonly newName: string }
  | { readonly kind: 'create' | 'unlink'; readonly name: string }
  | { readonly kind: 'sync' | 'lost'; readonly name: string };

/** A program whose writes are recorded. It has to end by SIGKILL. */
export interface RecordedProgram {
  /** Its file, with the arguments that follow the folder. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Room for one recorded folder and the states that are built from it. */
const ROOM_BYTES = 1024 ** 3;

/** Records what programs do to the files of a folder, one after another. Needs gcc. */
export class WriteRecorder {
  /** The recorded folder. */
  readonly folder: string;
  /** The file with the record, as {@link readRecord} reads it. */
  readonly record: string;
  readonly #library: string;

  /** `place` is a folder of the test. */
  constructor(place: string) {
    const own = realpathSync(mkdtempSync(join(place, 'recorded-')));
    this.folder = join(own, 'files');
    this.record = join(own, 'record');
    this.#library = join(own, 'write-recorder.so');
    mkdirSync(this.folder);
    const source = new URL('write-recorder.c', import.meta.url).pathname;
    execFileSync(toolPath('gcc'), ['-shared', '-fPIC', '-Wall', '-Werror', '-O1', '-o', this.#library, source, '-ldl']);
  }

  async run({ command: [program, ...args], env = {} }: RecordedProgram): Promise<void> {
    const path = new URL(program, import.meta.url).pathname;
    const child = spawn(process.execPath, [path, this.folder, ...args], {
      env: {
        ...process.env,
        ...env,
        LD_PRELOAD: this.#library,
        WRITE_RECORD: this.record,
        WRITE_RECORD_OF: this.folder,
        WRITE_RECORD_ARMED: join(this.folder, '..', 'armed'),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [errors] = await Promise.all([text(child.stderr), once(child, 'close')]);
    if (child.signalCode !== 'SIGKILL') throw new Error(`the recorded program ended with ${child.exitCode}: ${errors}`);
  }

  /** Puts files into the folder as if they had been on its disk for long. */
  begin(files: ReadonlyMap<string, Buffer>): void {
    for (const [name, bytes] of files) {
      writeFileSync(join(this.folder, name), bytes);
      appendFileSync(this.record, `create ${name} 0\nwrite ${name} 0 ${bytes.toString('hex')}\nsync ${name} 0\n`);
    }
    appendFileSync(this.record, 'sync . 0\n');
  }

  /** Adds to what callers were told. */
  tell(lines: string): void {
    appendFileSync(join(this.folder, TOLD), lines);
    appendFileSync(this.record, `create ${TOLD} 0\nwrite ${TOLD} 0 ${Buffer.from(lines).toString('hex')}\n`);
  }
}

/** What {@link WriteRecorder} recorded, in order. */
export function readRecord(path: string): readonly RecordedWrite[] {
  return existsSync(path) ? readFileSync(path, 'latin1').trimEnd().split('\n').map(parse) : [];
}

/** A folder for recorded files and their states: in memory if there is room. The caller removes it. */
export function placeForStates(): string {
  return mkdtempSync(join(memoryFolder(ROOM_BYTES) ?? tmpdir(), 'order-numbers-'));
}

function parse(line: string): RecordedWrite {
  const [kind = '', name = '', third = '', hex = ''] = line.split(' ');
  if (kind === 'write') return { kind, name, offset: Number(third), bytes: Buffer.from(hex, 'hex') };
  if (kind === 'truncate') return { kind, name, length: Number(third) };
  if (kind === 'rename') return { kind, name, newName: third };
  if (kind === 'create' || kind === 'unlink') return { kind, name };
  if (kind === 'sync' || kind === 'lost') return { kind, name };
  throw new Error(`no recorded write: ${line}`);
}
