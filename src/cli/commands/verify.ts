import { Command, Option } from 'commander';
import type { OrderNumbersClient, VerifyStep } from '../../client/index.ts';
import { parseLedger as ledger } from '../../engines/location.ts';
import { messageOf } from '../../core/errors.ts';
import { verifiedLedgerAt } from '../../engines/registry.ts';
import type { VerifyEvent } from '../../core/verify/events.ts';
import { withClient } from '../run/client-command.ts';
import { withConnectionOptions } from '../run/client-options.ts';
import { grouped } from '../view/columns.ts';
import { EXIT_REFUSED } from '../run/failure.ts';
import { verifyStepJson } from '../view/json-form.ts';
import { environment } from '../run/environment.ts';
import { asOptionParser, parseNumber } from '../run/option-values.ts';
import { ProgressBar } from '../view/progress-bar.ts';
import type { CommandContext } from '../run/run-command.ts';
import { runCommand } from '../run/run-command.ts';
import { VerifyReport } from '../view/verify-report.ts';

/** Exit code 0 says that the ledger is good, so it must not be used if the verdict was not read. */
const FAILURES = { needsReader: true };

type Progress = Extract<VerifyStep, { kind: 'progress' }>;

interface VerifyFlags {
  readonly store?: bigint;
  readonly json?: boolean;
}

/** `order-numbers verify` */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .argument(
      '[ledger]',
      'an SQLite file, or a postgres:// or dynamodb:// URL, to read directly, even while a server runs (default: ask the server)',
      parseLedger,
    )
    .addOption(
      new Option('--store <id>', "only this store's sequence (default: the whole ledger)").argParser(parseNumber),
    );
  return withConnectionOptions(command)
    .addHelpText(
      'after',
      `
Exit code 0: no gaps (holes), no duplicates (overlaps). Exit code 1: something
is wrong, the ledger could not be read to its end, or it is a file that a server
would not start on, such as an older copy beside its high-water mark.
Of a dynamodb:// URL without --store, the role needs dynamodb:Scan as well.
With --json: one object per event, as VerifyLedgerResponse in the proto, without
progress; the verdict comes last.

Examples:
  order-numbers verify
  order-numbers verify --store 32913
  order-numbers verify data/orders.db --json | tail -n 1
  order-numbers verify postgres://verifier@standby/orders
  order-numbers verify 'dynamodb://orders?region=eu-central-1'`,
    )
    .action(async (location: string | undefined, flags: VerifyFlags) => {
      if (location === undefined) {
        const request = flags.store === undefined ? {} : { storeId: flags.store };
        const work = (client: OrderNumbersClient, context: CommandContext) =>
          show(client.verifyLedger(request), flags.store, context);
        await withClient(command, work, FAILURES);
        return;
      }
      if (location === '') {
        command.error(
          'error: the path is empty: give an SQLite file, or a postgres:// or dynamodb:// URL, or omit it to ask a server',
        );
      }
      if (command.getOptionValueSource('server') === 'cli') {
        command.error('error: --server and a path name two ledgers: give only one of them');
      }
      const work = (context: CommandContext) => show(fromLedger(location, flags.store), flags.store, context);
      await runCommand(flags.json ?? false, work, FAILURES);
    });
}

/** Accepts an empty path, which gets a message of its own. */
const parseLedger = asOptionParser((text) => (text === '' ? text : ledger(text)));

/** Every failure names the ledger, without its password. */
async function* fromLedger(location: string, storeId: bigint | undefined): AsyncIterable<VerifyEvent> {
  const { name, verify } = verifiedLedgerAt(location);
  try {
    yield* verify(storeId);
  } catch (error) {
    const why = messageOf(error);
    throw new Error(why.includes(name) ? why : `${name} cannot be verified: ${why}`, { cause: error });
  }
}

/** Prints a verification, wherever it runs. Resolves to the exit code. */
async function show(
  steps: AsyncIterable<VerifyStep>,
  storeId: bigint | undefined,
  { output, json }: CommandContext,
): Promise<number> {
  const report = new VerifyReport();
  const bar = json ? undefined : await ProgressBar.onTerminal(process.stderr, environment()['TERM']);
  let isGood: boolean | undefined;
  try {
    for await (const step of steps) {
      if (step.kind === 'progress') showProgress(step, bar);
      if (step.kind === 'verdict') {
        isGood = step.ok;
        bar?.stop();
        // Nothing was read, so a good verdict would mislead.
        if (step.ok && step.sequences === 0n && storeId !== undefined) {
          throw new Error(`store ${storeId} does not exist in this ledger: nothing was verified, check --store`);
        }
      }
      const lines = json ? jsonLines(step) : report.lines(step);
      if (lines.length > 0) bar?.clear();
      for (const line of lines) await output.line(line);
      // The bar and the lines share a terminal: the lines must be out before the bar is drawn again.
      if (bar !== undefined && lines.length > 0) await output.flush();
    }
  } finally {
    bar?.stop();
  }
  if (isGood === undefined)
    throw new Error('the verification ended without a verdict: nothing is proven, run it again');
  return isGood ? 0 : EXIT_REFUSED;
}

function showProgress({ rowsRead, orderId, endOrderId }: Progress, bar: ProgressBar | undefined): void {
  // Only drawn, so the rounding of a double does not matter.
  bar?.update('verifying', Number(orderId), Number(endOrderId), `${grouped(rowsRead)} rows`);
}

function jsonLines(step: VerifyStep): string[] {
  return step.kind === 'progress' ? [] : [JSON.stringify(verifyStepJson(step))];
}
