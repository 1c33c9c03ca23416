import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toolPath } from '../required-tool.ts';
import { testFolder } from '../processes/server-process.ts';

/** The names of recorded files, and how the file's own name ends. */
const LEDGER_FILES = [
  ['database', ''],
  ['-wal', '-wal'],
  ['-journal', '-journal'],
  ['.mark', '.mark'],
] as const;

/** One call that changed or synced a file; see write-recorder.c. */
export type RecordedWrite =
  | { readonly kind: 'write'; readonly name: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly name: string; readonly length: number }
  | { readonly kind: 'create' | 'sync' | 'lost' | 'unlink'; readonly name: string };

/**
 * Runs these phases of recorded-run.ts at this path; returns what they did to the files of the ledger, in order. `between`
 * is called after each. Needs gcc.
 */
export function recordRun(
  ledger: string,
  phases: readonly string[] = ['lives', 'goes on'],
  between: (phase: string) => void = () => {},
): readonly RecordedWrite[] {
  const folder = testFolder();
  const library = join(folder, 'write-recorder.so');
  const source = new URL('write-recorder.c', import.meta.url).pathname;
  execFileSync(toolPath('gcc'), ['-shared', '-fPIC', '-Wall', '-Werror', '-O1', '-o', library, source, '-ldl']);
  const record = join(folder, 'record');
  const program = new URL('recorded-run.ts', import.meta.url).pathname;
  for (const phase of phases) {
    const { signal, stderr } = spawnSync(process.execPath, [program, ledger, phase], {
      env: {
        ...process.env,
        LD_PRELOAD: library,
        WRITE_RECORD: record,
        WRITE_RECORD_OF: ledger,
        WRITE_RECORD_FAILS: `${ledger}.fails`,
      },
      encoding: 'utf8',
    });
    if (signal !== 'SIGKILL') throw new Error(`the recorded run failed: ${stderr}`);
    between(phase);
  }
  return readFileSync(record, 'latin1').trimEnd().split('\n').map(parse);
}

function parse(line: string): RecordedWrite {
  const [kind = '', name = '', number = '', hex = ''] = line.split(' ');
  if (kind === 'write') return { kind, name, offset: Number(number), bytes: Buffer.from(hex, 'hex') };
  if (kind === 'truncate') return { kind, name, length: Number(number) };
  if (kind === 'create' || kind === 'sync' || kind === 'lost' || kind === 'unlink') return { kind, name };
  throw new Error(`no recorded write: ${line}`);
}

/** Files as they are after some of the writes. */
export class Files {
  readonly #files: Map<string, Buffer>;

  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    this.#files = new Map(files);
  }

  copy(): Files {
    return new Files(this.#files);
  }

  get(name: string): Buffer | undefined {
    return this.#files.get(name);
  }

  set(name: string, bytes: Buffer): void {
    this.#files.set(name, bytes);
  }

  delete(name: string): void {
    this.#files.delete(name);
  }

  apply(write: RecordedWrite): void {
    const before = this.#files.get(write.name) ?? Buffer.alloc(0);
    if (write.kind === 'create') this.#files.set(write.name, before);
    if (write.kind === 'unlink') this.#files.delete(write.name);
    if (write.kind === 'truncate') this.#files.set(write.name, sized(before, write.length));
    if (write.kind !== 'write') return;
    const after = sized(before, Math.max(before.length, write.offset + write.bytes.length));
    write.bytes.copy(after, write.offset);
    this.#files.set(write.name, after);
  }

  /** Whether the files put there are unchanged. */
  areIn(folder: string): boolean {
    return LEDGER_FILES.every(([name, suffix]) => {
      const path = join(folder, `orders.db${suffix}`);
      const bytes = this.#files.get(name);
      return bytes ? existsSync(path) && bytes.equals(readFileSync(path)) : !existsSync(path);
    });
  }

  /** Writes a ledger into this folder, which is emptied; returns its path. */
  putInto(folder: string): string {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const ledger = join(folder, 'orders.db');
    for (const [name, suffix] of LEDGER_FILES) {
      const bytes = this.#files.get(name);
      if (bytes) writeFileSync(`${ledger}${suffix}`, bytes);
    }
    return ledger;
  }
}

/** A new buffer of this length. */
function sized(bytes: Buffer, length: number): Buffer {
  const result = Buffer.alloc(length);
  bytes.copy(result, 0, 0, Math.min(bytes.length, length));
  return result;
}

/** What a disk may hold after a power cut: everything synced, and any part of the rest. */
export class PowerCut {
  readonly #durable = new Files();
  readonly #pending = new Map<string, RecordedWrite[]>();
  #pendingNames: RecordedWrite[] = [];
  readonly #names = new Set<string>();

  apply(write: RecordedWrite): void {
    if (write.kind === 'sync' && write.name === 'folder') {
      for (const change of this.#pendingNames) this.#applyName(change, this.#names);
      this.#pendingNames = [];
    } else if (write.kind === 'sync') {
      for (const change of this.#pending.get(write.name) ?? []) this.#durable.apply(change);
      this.#pending.set(write.name, []);
    } else if (write.kind === 'lost') {
      this.#pending.set(write.name, []);
    } else if (write.kind === 'create' || write.kind === 'unlink') {
      this.#pendingNames.push(write);
      if (write.kind === 'unlink') this.#pending.set(write.name, []);
      if (write.kind === 'create') this.#durable.set(write.name, Buffer.alloc(0));
    } else {
      const pending = this.#pending.get(write.name) ?? [];
      this.#pending.set(write.name, [...pending, write]);
    }
  }

  /** `random` gives numbers from 0 to 1. */
  cut(random: () => number): Files {
    const files = this.#durable.copy();
    for (const [, writes] of this.#pending) {
      const share = random();
      for (const write of writes) if (random() < share) files.apply(random() < 0.2 ? torn(write, random) : write);
    }
    const names = new Set(this.#names);
    const known = Math.floor(random() * (this.#pendingNames.length + 1));
    for (const change of this.#pendingNames.slice(0, known)) this.#applyName(change, names);
    for (const [name] of LEDGER_FILES) if (!names.has(name)) files.delete(name);
    return files;
  }

  #applyName(change: RecordedWrite, names: Set<string>): void {
    if (change.kind === 'create') names.add(change.name);
    else names.delete(change.name);
  }
}

/** Only some of its sectors. */
function torn(write: RecordedWrite, random: () => number): RecordedWrite {
  if (write.kind !== 'write') return write;
  const length = Math.floor((random() * write.bytes.length) / 512) * 512;
  return { ...write, bytes: write.bytes.subarray(0, length) };
}
