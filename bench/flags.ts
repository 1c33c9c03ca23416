import { parseArgs } from 'node:util';

/** The options of a benchmark. */
export interface Flags {
  readonly rounds: number;
  readonly levels: readonly number[];
  /** Undefined means the default of the measurement. */
  readonly calls: number | undefined;
  /** Parent of the folder for the ledgers; undefined means data. */
  readonly folder: string | undefined;
  readonly json: boolean;
  readonly memory: boolean;
  readonly bigLedger: boolean;
  readonly surface: boolean;
  readonly postgres: boolean;
  readonly start: boolean;
  readonly rows: number;
  readonly help: boolean;
}

export const HELP = `make bench [ARGS="flags"]

Compares AllocateOrder with a no-op echo on the same gRPC server and with one
transaction per call on the same engine, in alternation. Checks the ledgers for
gaps, and writes JSON into bench/results.

  --rounds <n>       measured rounds, each with every peer at every level (5)
  --levels <n,n,..>  calls in flight (1,10,64,400)
  --calls <n>        calls per run, a quarter of them for one transaction per
                     call (3000 to 40000, depending on the level); with
                     --memory, the total number of allocations (1000000)
  --folder <path>    where to create a temporary folder for the ledgers (data)
  --json             print the JSON instead of the tables
  --help             print this

Other measurements, instead of the comparison:

  --memory           resident memory before and after a million allocations at
                     400 in flight
  --big-ledger       start time on a ledger of ten million rows
  --rows <n>         rows of that ledger (10000000)
  --surface          a million allocations listed, watched and verified;
                     allocations with and without 50 watchers; the original
                     sample's autocannon command
  --postgres         one function call per order, one server and four servers
                     on one PostgreSQL, at 64 and 400 in flight; ignores
                     --levels and --calls
  --start            start time of commands with and without the compile cache;
                     does not need ghz
`;

/** Throws an Error that names the flag and a valid value. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      levels: { type: 'string', default: '1,10,64,400' },
      calls: { type: 'string' },
      folder: { type: 'string' },
      json: { type: 'boolean', default: false },
      memory: { type: 'boolean', default: false },
      'big-ledger': { type: 'boolean', default: false },
      surface: { type: 'boolean', default: false },
      postgres: { type: 'boolean', default: false },
      start: { type: 'boolean', default: false },
      rows: { type: 'string', default: '10000000' },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    rounds: positive('--rounds', values.rounds),
    levels: values.levels.split(',').map((level) => positive('--levels', level)),
    calls: values.calls === undefined ? undefined : positive('--calls', values.calls),
    folder: values.folder,
    json: values.json,
    memory: values.memory,
    bigLedger: values['big-ledger'],
    surface: values.surface,
    postgres: values.postgres,
    start: values.start,
    rows: positive('--rows', values.rows),
    help: values.help,
  };
}

function positive(flag: string, text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && Number.isSafeInteger(number)) return number;
  throw new Error(`${flag} ${text} is not valid: use a whole number of at least 1`);
}
