import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Flags, Measurement } from '../flags.ts';
import type { Measured } from '../report/result.ts';
import { measureComparison } from './comparison.ts';
import { measureDynamodb } from './dynamodb.ts';
import { measureLedgerSize } from './ledger-size.ts';
import { measureMemory } from './memory.ts';
import { measureOpenLoop } from './open-loop.ts';
import { measureOverload } from './overload.ts';
import { measurePeers } from './peers.ts';
import { measurePostgres } from './postgres.ts';
import { measureStart } from './start.ts';
import { measureStores } from './stores.ts';
import { measureSurface } from './surface.ts';

/** What the measurements need. */
export interface MeasureOptions extends Flags {
  /** An empty folder for this measurement alone. */
  readonly folder: string;
  progress(line: string): void;
}

const BY_FLAG: Readonly<Record<Measurement, (options: MeasureOptions) => Promise<Measured>>> = {
  comparison: async (options) => ({ comparison: await measureComparison(options) }),
  'open-loop': async (options) => ({ openLoop: await measureOpenLoop(options) }),
  overload: async (options) => ({ overload: await measureOverload(options) }),
  memory: async (options) => ({ memory: await measureMemory(options) }),
  'ledger-size': async (options) => ({ ledgerSize: await measureLedgerSize(options) }),
  stores: async (options) => ({ stores: await measureStores(options) }),
  surface: async (options) => ({ surface: await measureSurface(options) }),
  postgres: async (options) => ({ postgres: await measurePostgres(options) }),
  dynamodb: async (options) => ({ dynamodb: await measureDynamodb(options) }),
  peers: async (options) => ({ peers: await measurePeers(options) }),
  start: async (options) => ({ start: await measureStart(options) }),
};

/** Takes the measurements that the flags ask for, one after the other. */
export async function measure(flags: Flags, parent: string, progress: (line: string) => void): Promise<Measured> {
  const measured: Measured[] = [];
  for (const name of flags.measurements) {
    const folder = join(parent, name);
    mkdirSync(folder, { mode: 0o755 });
    measured.push(await BY_FLAG[name]({ ...flags, folder, progress }));
  }
  return Object.assign({}, ...measured) as Measured;
}
