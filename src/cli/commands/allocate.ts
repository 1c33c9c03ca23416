import { Command, InvalidArgumentError, Option } from 'commander';
import { checkRequestId, newRequestId } from '../../core/allocation.ts';
import { wholeNumber } from '../../core/text/plain-text.ts';
import { allocationTable } from '../view/allocation-view.ts';
import { stopOnSignal, withClient } from '../run/client-command.ts';
import { withClientOptions } from '../run/client-options.ts';
import type { UnknownOutcome } from '../run/failure.ts';
import { ALLOCATION_FIELDS, allocationJson } from '../view/json-form.ts';
import type { Allocated } from '../../client/index.ts';
import type { RowForm } from '../view/rows.ts';
import { alone, rowForm } from '../view/rows.ts';
import type { OutputFlags } from '../view/output-option.ts';
import { CSV_ROWS } from '../view/output-option.ts';
import { asOptionParser, parseNumber } from '../run/option-values.ts';
import { shellWord } from '../view/shell-word.ts';

const INT32_MAX = 2 ** 31 - 1;

interface AllocateFlags extends OutputFlags {
  readonly store: bigint;
  readonly count: number;
  readonly requestId?: string;
}

/** `order-numbers allocate` */
export function allocateCommand(): Command {
  const command = new Command('allocate')
    .addOption(new Option('--store <id>', 'store id (required)').argParser(parseNumber).makeOptionMandatory())
    .addOption(
      new Option('--count <n>', 'how many consecutive numbers to allocate, up to 1000')
        .default(1)
        .argParser(asOptionParser(wholeNumber(1, INT32_MAX))),
    )
    .addOption(
      new Option(
        '--request-id <key>',
        'idempotency key of the order: a retry with it gets the same numbers (default: a new key)',
      )
        // Wrapped, because commander also passes the previous value.
        .argParser((text) => parseRequestId(text)),
    );
  return withClientOptions(command, { csv: CSV_ROWS })
    .addHelpText(
      'after',
      `
With --json: {"allocation": {...}, "replayed": false}, as AllocateOrderResponse
in the proto. replayed is true if an earlier call with this request id already
got these numbers.
Exit code 3: the outcome is unknown, the call may have succeeded. Retry with the
command that the message prints: the same request id cannot create a duplicate.

Examples:
  order-numbers allocate --store 32913
  order-numbers allocate --store 32913 --request-id cart-4711
  order-numbers allocate --store 32913 --count 10 --json`,
    )
    .action(async (flags: AllocateFlags) => {
      const { store: storeId, count } = flags;
      // Created here and not by the client, so that it can be printed however the call ends.
      const requestId = flags.requestId ?? newRequestId();
      const unknown = retryAdvice(command, { ...flags, requestId });
      await withClient(
        command,
        async (client, { output }) => {
          const request = { storeId, requestId, ...(count === 1 ? {} : { count }) };
          const answer = await client.allocate(request, { signal: stopOnSignal() });
          if (flags.json) await output.line(jsonOf(answer));
          else for (const line of (await rowsOf(flags)).row(answer)) await output.line(line);
          // A number that was never printed counts as an unknown outcome.
          await output.flush();
        },
        { unknown, needsReader: true },
      );
    });
}

function jsonOf(answer: Allocated): string {
  return JSON.stringify({ allocation: allocationJson(answer), replayed: answer.replayed });
}

/** A CSV row cannot have a message inside another. */
function rowsOf(flags: OutputFlags): Promise<RowForm<Allocated>> {
  const table = alone((answer: Allocated) => allocationTable(answer, [['replayed', answer.replayed ? 'yes' : 'no']]));
  const fields = [...ALLOCATION_FIELDS, 'replayed'] as const;
  return rowForm(flags, table, fields, (answer) => ({ ...allocationJson(answer), replayed: answer.replayed }));
}

function retryAdvice(
  command: Command,
  { store, count, requestId }: AllocateFlags & { requestId: string },
): UnknownOutcome {
  const words = ['order-numbers', 'allocate', '--store', String(store), '--request-id', requestId];
  if (count !== 1) words.push('--count', String(count));
  for (const option of command.options) {
    const name = option.attributeName();
    if (['store', 'count', 'requestId'].includes(name) || command.getOptionValueSource(name) !== 'cli') continue;
    // Messages end up in logs, where a token must not be.
    const value = name === 'token' ? '<token>' : String(command.getOptionValue(name));
    words.push(option.long!, ...(option.isBoolean() ? [] : [value]));
  }
  const repeat = words.map(shellWord).join(' ');
  return {
    advice: `Retry with: ${repeat}`,
    fields: { requestId, repeat },
  };
}

function parseRequestId(text: string): string {
  try {
    checkRequestId(text);
  } catch {
    throw new InvalidArgumentError('Use 1 to 128 printable ASCII characters without spaces.');
  }
  return text;
}
