import { Command, Option } from 'commander';
import type { OrderNumbersClient, OrderNumbersError } from '../../client/index.ts';
import { AllocationLines } from '../view/allocation-view.ts';
import { interruption, stopOnSignal, withClient } from '../run/client-command.ts';
import { withConnectionOptions } from '../run/client-options.ts';
import { ALLOCATION_FIELDS, allocationJson } from '../view/json-form.ts';
import { rowForm } from '../view/rows.ts';
import type { OutputFlags } from '../view/output-option.ts';
import { CSV_ROWS } from '../view/output-option.ts';
import type { Output } from '../view/output.ts';
import { parseCursor, parseNumber } from '../run/option-values.ts';
import type { CommandContext } from '../run/run-command.ts';

interface WatchFlags extends OutputFlags {
  readonly server: string;
  readonly after?: bigint;
  readonly store?: bigint;
}

/** `order-numbers watch` */
export function watchCommand(): Command {
  const command = new Command('watch')
    .addOption(
      new Option('--after <order-id>', 'start after this order_id; 0 means all (default: from now on)').argParser(
        parseCursor,
      ),
    )
    .addOption(new Option('--store <id>', 'only this store (default: all)').argParser(parseNumber));
  return withConnectionOptions(command, { csv: CSV_ROWS })
    .addHelpText(
      'after',
      `
With --json: one object per line, as Allocation in the proto, and at the end
{"cursor": "7"} on standard error.

It reconnects for as long as it takes, and prints on standard error when it is
interrupted and when it is connected again. At the end it prints where to resume
without a gap and without a duplicate.

Examples:
  order-numbers watch
  order-numbers watch --after 0 --store 32913
  order-numbers watch --json | while read -r order; do ...; done`,
    )
    .action(async (flags: WatchFlags) => {
      await withClient(command, (client, context) => watch(client, flags, context));
    });
}

async function watch(client: OrderNumbersClient, flags: WatchFlags, context: CommandContext): Promise<void> {
  const { output, json, say } = context;
  const signal = stopOnSignal();
  const form = await rowForm(flags, new AllocationLines(context.terminalWidth), ALLOCATION_FIELDS, allocationJson);
  let cursor = flags.after;
  // Printed once, however many attempts it takes.
  let isInterrupted = false;
  const onInterrupted = (error: OrderNumbersError) => {
    if (!isInterrupted) say(interruption(flags.server, error, json));
    isInterrupted = true;
  };
  try {
    const request = { afterOrderId: flags.after, storeId: flags.store };
    for await (const step of client.watchAllocations(request, { signal, onInterrupted })) {
      if (isInterrupted) say(json ? JSON.stringify({ connected: flags.server }) : `connected to ${flags.server}`);
      isInterrupted = false;
      // The first step comes at once and shows people that it watches.
      if (step.allocations.length === 0) await writeLines(output, form.header());
      for (const allocation of step.allocations) {
        await writeLines(output, form.row(allocation));
      }
      // The cursor covers only what was written.
      await output.flush();
      cursor = step.cursor;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (cursor !== undefined) say(json ? JSON.stringify({ cursor: String(cursor) }) : `resume with --after ${cursor}`);
  }
}

async function writeLines(output: Output, lines: readonly string[]): Promise<void> {
  for (const line of lines) await output.line(line);
}
