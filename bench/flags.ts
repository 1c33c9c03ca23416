import { parseArgs } from 'node:util';

/** What the bench was asked for. */
export interface Flags {
  readonly rounds: number;
  readonly levels: readonly number[];
  /** Undefined means as many as fit the measurement. */
  readonly calls: number | undefined;
  /** Where the folder for the ledgers is made; undefined means in data. */
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

Runs a no-op echo on the same gRPC server, AllocateOrder, and one transaction a call on the same engine in
alternation, checks that no number is missing, and writes JSON into bench/results.

  --rounds <n>       rounds that count, each with every peer at every level (5)
  --levels <n,n,..>  calls in flight (1,10,64,400)
  --calls <n>        calls in one run; one transaction a call gets a quarter (by the level: 3000 to 40000);
                     with --memory the allocations in all (1000000)
  --folder <path>    where a folder for the ledgers is made and removed afterwards (data)
  --json             print the JSON instead of the tables
  --memory           instead: resident memory before and after a million allocations at 400 in flight
  --big-ledger       instead: how long a start takes on a ledger of ten million rows
  --rows <n>         rows of that ledger (10000000)
  --surface          instead: a million allocations listed, watched and verified, allocations with and without 50
                     watchers, and the original sample's autocannon command
  --postgres         instead: one function call an order, one server and four servers on one PostgreSQL
                     (at 64 and 400 in flight; --levels and --calls do not count)
  --start            instead: how long commands take to start, compiled before and not; needs no ghz
  --help             print this
`;

/** Throws an Error that names the flag and a good value. */
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
  throw new Error(`${flag} ${text} is not valid: use a whole number from 1`);
}
