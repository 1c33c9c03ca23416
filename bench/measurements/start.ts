import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../processes/child-process.ts';
import { ServerProcess } from '../processes/server-process.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

const ENTRY = 'src/cli/order-numbers.js';
/** The compile cache of the command line. */
const COMPILED = new URL('../../node_modules/.cache/order-numbers', import.meta.url).pathname;

/** From the spawn of a process to its end, or to the log line "serving", in milliseconds. */
export interface StartTimes {
  readonly version: Spread;
  readonly help: Spread;
  readonly allocate: Spread;
  readonly serve: Spread;
}

/** With and without the compile cache. */
export interface Start {
  readonly warm: StartTimes;
  readonly cold: StartTimes;
}

export interface StartOptions {
  readonly rounds: number;
  readonly folder: string;
  readonly progress: (line: string) => void;
}

/** Measures how long commands take to start, with and without the cache in alternation. */
export async function measureStart({ rounds, folder, progress }: StartOptions): Promise<Start> {
  const ledgers = join(folder, 'start');
  mkdirSync(ledgers);
  const samples = { warm: emptySamples(), cold: emptySamples() };
  await sample(emptySamples(), join(ledgers, 'unused.db'), () => {});
  for (let round = 1; round <= rounds; round++) {
    progress(`start: round ${round} of ${rounds}`);
    await sample(samples.warm, join(ledgers, `warm-${round}.db`), () => {});
    await sample(samples.cold, join(ledgers, `cold-${round}.db`), () =>
      rmSync(COMPILED, { recursive: true, force: true }),
    );
  }
  return { warm: spreads(samples.warm), cold: spreads(samples.cold) };
}

type Samples = { readonly [name in keyof StartTimes]: number[] };

function emptySamples(): Samples {
  return { version: [], help: [], allocate: [], serve: [] };
}

async function sample(samples: Samples, ledger: string, before: () => void): Promise<void> {
  const command = async (...args: string[]) => {
    before();
    const started = performance.now();
    const { code, stderr } = await runChild(process.execPath, [ENTRY, ...args]);
    if (code !== 0) throw new Error(`order-numbers ${args.join(' ')} ended with ${code}: ${stderr}`);
    return performance.now() - started;
  };
  samples.version.push(await command('--version'));
  samples.help.push(await command('--help'));
  before();
  const server = await ServerProcess.serve(ledger, '--http-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0');
  samples.serve.push(server.startMs);
  samples.allocate.push(await command('allocate', '--store', '1', '--server', server.address));
  await server.stop();
}

function spreads({ version, help, allocate, serve }: Samples): StartTimes {
  return { version: spread(version), help: spread(help), allocate: spread(allocate), serve: spread(serve) };
}
