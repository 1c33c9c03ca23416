import { parseArgs } from 'node:util';
import type { Keys } from './ledgers/keys.ts';
import { KEYS } from './ledgers/keys.ts';

/** All measurements, by their flags. */
export const MEASUREMENTS = [
  'comparison',
  'peers',
  'open-loop',
  'overload',
  'memory',
  'ledger-size',
  'stores',
  'surface',
  'postgres',
  'dynamodb',
  'start',
] as const;
export type Measurement = (typeof MEASUREMENTS)[number];

const DEFAULT: readonly Measurement[] = ['comparison', 'peers'];

/** The options of a benchmark. */
export interface Flags {
  readonly rounds: number;
  /** The length of a run, in seconds. */
  readonly seconds: number;
  /** Names of the peers of the comparison; undefined means all. */
  readonly only: readonly string[] | undefined;
  /** Parent of the folder for the ledgers; undefined means data. */
  readonly folder: string | undefined;
  readonly json: boolean;
  readonly measurements: readonly Measurement[];
  /** Sizes of ledgers, in rows. */
  readonly rows: readonly number[];
  /** Kinds of request_ids in them. */
  readonly keys: readonly Keys[];
  /** Folder with ledgers of these sizes that were made before; undefined means to make them all. */
  readonly made: string | undefined;
  /** Orders before the memory is measured. */
  readonly orders: number;
  readonly writeDocs: boolean;
  readonly help: boolean;
}

export const HELP = `make bench [ARGS="flags"]

Measures calls (by h2load) and orders (by client.allocate()) on our server, in
alternation with what bounds them, then other systems that do the same work.
Ratios are taken within each round. Each ledger is read from end to end
afterwards. Writes JSON into bench/results. Takes some 14 minutes; other work
on the machine changes the figures.

  --rounds <n>       rounds that count, each with every peer at every level (5)
  --seconds <n>      how long each run of a round takes (2)
  --quick            one round of one second: to check that everything works
  --only <a,b,..>    only these peers of the comparison; a wrong name lists all
  --folder <path>    where to create a temporary folder for the ledgers (data)
  --json             print the JSON instead of the tables
  --write-docs       measure nothing: write the figures and plots of
                     docs/benchmarks.md from the newest results
  --help             print this

If no measurement is named, these two are taken:

  --comparison       calls and orders on our server: one per call, combined, and
                     one per transaction; over HTTP; echoes that do nothing
  --peers            Redis, PostgreSQL and SQLite numbering orders without our
                     server, beside client.allocate(); their holes and repeats,
                     also after kill -9

Named ones replace them:

  --open-loop        latency at fixed rates, counted from when each call was due
  --overload         ten times the calls in flight, and twice the rate, of the
                     peak: what is still answered, how soon the rest is refused
  --memory           resident memory when idle, and after many orders
  --orders <n>       orders for --memory (5000000)
  --ledger-size      throughput, start and replays on ledgers of several sizes
  --rows <n,n,..>    sizes in rows (0,10000000,100000000); 100 million rows need
                     30 GB and an hour
  --keys <k,k>       their request_ids: in the order of time, at random
                     (uuidv7,uuidv4)
  --made <path>      folder with such ledgers, made beforehand by
                     bench/ledgers/make-ledger.ts as ROWS-KEYS.db, such as
                     100000000-uuidv4.db; they are used up
  --stores           throughput against the number of stores
  --surface          a million allocations listed, watched and verified;
                     allocations with and without 50 watchers
  --postgres         one server and four servers on one PostgreSQL
  --dynamodb         the ledger and the sample's counters on one dynalite; write
                     units of an order
  --start            start time of commands with and without the compile cache
`;

/** Throws an Error that names the flag and a valid value. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      folder: { type: 'string' },
      json: { type: 'boolean', default: false },
      rows: { type: 'string', default: '0,10000000,100000000' },
      keys: { type: 'string', default: KEYS.join(',') },
      made: { type: 'string' },
      orders: { type: 'string', default: '5000000' },
      comparison: { type: 'boolean' },
      'open-loop': { type: 'boolean' },
      overload: { type: 'boolean' },
      memory: { type: 'boolean' },
      'ledger-size': { type: 'boolean' },
      stores: { type: 'boolean' },
      surface: { type: 'boolean' },
      postgres: { type: 'boolean' },
      dynamodb: { type: 'boolean' },
      peers: { type: 'boolean' },
      start: { type: 'boolean' },
      'write-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  const asked = MEASUREMENTS.filter((name) => values[name]);
  const byDefault: readonly Measurement[] = values.only === undefined ? DEFAULT : ['comparison'];
  return {
    rounds: wholeNumber('--rounds', values.rounds ?? (quick ? '1' : '5'), 1),
    seconds: wholeNumber('--seconds', values.seconds ?? (quick ? '1' : '2'), 1),
    only: values.only?.split(','),
    folder: values.folder,
    json: values.json,
    measurements: asked.length > 0 ? asked : byDefault,
    rows: values.rows.split(',').map((rows) => wholeNumber('--rows', rows, 0)),
    keys: values.keys.split(',').map(keysNamed),
    made: values.made,
    orders: wholeNumber('--orders', values.orders, 1),
    writeDocs: values['write-docs'],
    help: values.help,
  };
}

function keysNamed(name: string): Keys {
  const keys = KEYS.find((known) => known === name);
  if (keys === undefined) throw new Error(`--keys ${name} is not valid: use ${KEYS.join(' or ')}`);
  return keys;
}

function wholeNumber(flag: string, text: string, least: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && Number.isSafeInteger(number)) return number;
  throw new Error(`${flag} ${text} is not valid: use a whole number of at least ${least}`);
}
