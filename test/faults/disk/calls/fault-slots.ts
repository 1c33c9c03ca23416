import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { toolPath } from '../../../support/required-tool.ts';

/** The calls that can fail; see call-faults.c. */
export const CALLS = ['write', 'fsync', 'open', 'truncate'] as const;
export type FaultyCall = (typeof CALLS)[number];

/** What a call does instead. After a short write the system may have nothing more to say, or the next one fails. */
export type CallError = 'EIO' | 'ENOSPC' | 'EROFS' | 'EMFILE' | 'short' | 'short, then ENOSPC';

/** A fault: the `nth` call of a kind fails, and further ones, so that `times` fail in all; -1 is for ever. */
export interface CallFault {
  readonly call: FaultyCall;
  readonly error: CallError;
  readonly nth: number;
  readonly times: number;
}

/** How often each call was made. */
export type CallCounts = Readonly<Record<FaultyCall, number>>;

const SLOTS = 64;
const FIELDS = 5 + CALLS.length;
const FIELD_BYTES = 8;
const SLOT_BYTES = FIELDS * FIELD_BYTES;
const HITS = 4;

/** Compiles the library that programs preload, and creates the file through which they are told of faults. */
export function compileCallFaults(library: string, control: string): Readonly<Record<string, string>> {
  const source = new URL('call-faults.c', import.meta.url).pathname;
  execFileSync(toolPath('gcc'), ['-shared', '-fPIC', '-Wall', '-Werror', '-O1', '-o', library, source]);
  writeFileSync(control, Buffer.alloc(SLOTS * SLOT_BYTES));
  return { LD_PRELOAD: library, CALL_FAULTS: control };
}

/** The faults of the folder named `slot-N`, in a program that was started with the library, or beside it. */
export class FaultSlot {
  readonly #control: number;
  readonly #start: number;

  constructor(control: string, slot: number) {
    if (!(slot >= 0 && slot < SLOTS)) throw new RangeError(`there is no slot ${slot}`);
    this.#control = openSync(control, 'r+');
    this.#start = slot * SLOT_BYTES;
  }

  /** Begins to count anew, with this fault. */
  arm(fault: CallFault | undefined): void {
    const fields = Buffer.alloc(SLOT_BYTES);
    if (fault) {
      const values = [CALLS.indexOf(fault.call) + 1, errorNumber(fault.error), fault.nth, fault.times];
      for (const [i, value] of values.entries()) fields.writeBigInt64LE(BigInt(value), i * FIELD_BYTES);
    }
    writeSync(this.#control, fields, 0, SLOT_BYTES, this.#start);
  }

  /** No call fails from now on. The counts stay. */
  heal(): void {
    writeSync(this.#control, Buffer.alloc(FIELD_BYTES), 0, FIELD_BYTES, this.#start);
  }

  get isArmed(): boolean {
    return this.#field(0) !== 0;
  }

  /** How many calls have failed. */
  get hits(): number {
    return this.#field(HITS);
  }

  get counts(): CallCounts {
    const counts = CALLS.map((call, i) => [call, this.#field(HITS + 1 + i)] as const);
    return Object.fromEntries(counts) as Record<FaultyCall, number>;
  }

  close(): void {
    closeSync(this.#control);
  }

  #field(number: number): number {
    const bytes = Buffer.alloc(FIELD_BYTES);
    readSync(this.#control, bytes, 0, FIELD_BYTES, this.#start + number * FIELD_BYTES);
    return Number(bytes.readBigInt64LE());
  }
}

function errorNumber(error: CallError): number {
  if (error === 'short') return 0;
  if (error === 'short, then ENOSPC') return -constants.errno.ENOSPC;
  return constants.errno[error];
}
