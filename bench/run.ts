import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Flags } from './flags.ts';
import { HELP, parseFlags } from './flags.ts';
import { commitOf, describeMachine } from './machine.ts';
import { chosen } from './measurements/comparison.ts';
import { measure } from './measurements/measurements.ts';
import { writeDocs } from './report/docs.ts';
import { formatReport } from './report/report.ts';
import type { Result } from './report/result.ts';
import { formatJson } from './report/result.ts';

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
    chosen(flags.only);
  } catch (error) {
    return fail(error, EXIT_USAGE);
  }
  try {
    if (flags.help) process.stdout.write(HELP);
    else if (flags.writeDocs) await writeDocs(progress);
    else await bench(flags);
    return 0;
  } catch (error) {
    return fail(error, EXIT_FAILED);
  }
}

async function bench(flags: Flags): Promise<void> {
  const folder = makeFolder(flags.folder);
  const circumstances = {
    date: `${new Date().toISOString().slice(0, 19)}Z`,
    command: ['make bench', ...(args.length > 0 ? [`ARGS="${args.join(' ')}"`] : [])].join(' '),
    commit: await commitOf(),
    machine: describeMachine(folder),
  };
  if (circumstances.machine.fileSystem === 'tmpfs')
    progress('warning: the ledgers are on a tmpfs, where an fsync costs nothing');
  const result: Result = { ...circumstances, ...(await measure(flags, folder, progress)) };
  const json = formatJson(result);
  const file = join('bench/results', `${result.date.replaceAll(':', '-')}.json`);
  mkdirSync(join(ROOT, 'bench/results'), { recursive: true });
  writeFileSync(join(ROOT, file), `${json}\n`);
  console.log(flags.json ? json : formatReport(result));
  progress(`written to ${file}`);
}

/** Creates a folder for the ledgers, by default on the repository's disk; it is removed at the end. */
function makeFolder(parent = join(ROOT, 'data')): string {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'bench-'));
  // PostgreSQL runs as a user of its own, which needs access.
  chmodSync(folder, 0o755);
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
