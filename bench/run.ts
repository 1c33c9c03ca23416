import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { measureBigLedger } from './measurements/big-ledger.ts';
import type { Flags } from './flags.ts';
import { HELP, parseFlags } from './flags.ts';
import { requireGhz } from './ghz.ts';
import { describeMachine } from './machine.ts';
import { measureMemory } from './measurements/memory.ts';
import { measurePostgres } from './measurements/postgres.ts';
import { measureStart } from './measurements/start.ts';
import { measureSurface } from './measurements/surface.ts';
import type { Result } from './report/report.ts';
import { formatJson, formatReport } from './report/report.ts';
import { measureThroughput } from './measurements/throughput.ts';

const ROOT = new URL('..', import.meta.url).pathname;
/** A number is missing, or a measurement failed. */
const EXIT_FAILED = 1;
/** An invalid flag. */
const EXIT_USAGE = 2;

const args = process.argv.slice(2);
// A signal ends it like anything else: children are killed, and the folder is removed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(EXIT_FAILED));

process.exitCode = await main();

async function main(): Promise<number> {
  let flags: Flags;
  try {
    flags = parseFlags(args);
  } catch (error) {
    return fail(error, EXIT_USAGE);
  }
  try {
    if (flags.help) process.stdout.write(HELP);
    else await bench(flags);
    return 0;
  } catch (error) {
    return fail(error, EXIT_FAILED);
  }
}

async function bench(flags: Flags): Promise<void> {
  const isGhzUsed = !flags.start || flags.memory || flags.bigLedger || flags.surface || flags.postgres;
  if (isGhzUsed) await requireGhz();
  const folder = makeFolder(flags.folder);
  const result = await measure(flags, folder);
  const json = formatJson(result);
  const file = join('bench/results', `${result.date.replaceAll(':', '-')}.json`);
  mkdirSync(join(ROOT, 'bench/results'), { recursive: true });
  writeFileSync(join(ROOT, file), `${json}\n`);
  console.log(flags.json ? json : formatReport(result));
  progress(`written to ${file}`);
}

async function measure(flags: Flags, folder: string): Promise<Result> {
  const { calls, rounds, levels, rows } = flags;
  const common = {
    date: `${new Date().toISOString().slice(0, 19)}Z`,
    command: ['make bench', ...(args.length > 0 ? [`ARGS="${args.join(' ')}"`] : [])].join(' '),
    machine: describeMachine(folder),
  };
  if (common.machine.fileSystem === 'tmpfs')
    progress('warning: the ledgers are on a tmpfs, where an fsync costs nothing');
  if (!flags.memory && !flags.bigLedger && !flags.surface && !flags.postgres && !flags.start) {
    return { ...common, throughput: await measureThroughput({ rounds, levels, calls, folder, progress }) };
  }
  const memory = flags.memory && (await measureMemory({ calls: calls ?? 1_000_000, folder, progress }));
  const bigLedger = flags.bigLedger && (await measureBigLedger({ rows, folder, progress }));
  const surface = flags.surface && (await measureSurface({ rounds, folder, progress }));
  const postgres = flags.postgres && (await measurePostgres({ rounds, folder, progress }));
  const start = flags.start && (await measureStart({ rounds, folder, progress }));
  return {
    ...common,
    ...(memory && { memory }),
    ...(bigLedger && { bigLedger }),
    ...(surface && { surface }),
    ...(postgres && { postgres }),
    ...(start && { start }),
  };
}

/** Creates a folder for the ledgers, by default on the repository's disk; it is removed at the end. */
function makeFolder(parent = join(ROOT, 'data')): string {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

function fail(error: unknown, exitCode: number): number {
  progress(`bench: ${error instanceof Error ? error.message : String(error)}`);
  return exitCode;
}
