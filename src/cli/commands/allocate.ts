import { Command, InvalidArgumentError, Option } from 'commander';
import { checkRequestId, newRequestId } from '../../core/allocation.ts';
import { wholeNumber } from '../../core/text/plain-text.ts';
import { allocationTable } from '../view/allocation-view.ts';
import { stopOnSignal, withClient } from '../run/client-command.ts';
import { withClientOptions } from '../run/client-options.ts';
import type { UnknownOutcome } from '../run/failure.ts';
import { allocationJson } from '../view/json-form.ts';
import { asOptionParser, parseNumber } from '../run/option-values.ts';
import { shellWord } from '../view/shell-word.ts';

const INT32_MAX = 2 ** 31 - 1;

interface AllocateFlags {
  readonly store: bigint;
  readonly count: number;
  readonly requestId?: string;
}

/** `order-numbers allocate` */
export function allocateCommand(): Command {
  const command = new Command('allocate')
    .addOption(new Option('--store <id>', 'the store (required)').argParser(parseNumber).makeOptionMandatory())
    .addOption(
      new Option('--count <n>', 'how many consecutive numbers; the server gives up to 1000')
        .default(1)
        .argParser(asOptionParser(wholeNumber(1, INT32_MAX))),
    )
    .addOption(
      new Option('--request-id <key>', 'the key of this order; the same key gets the same numbers (default: a new one)')
        // A function of its own: commander would hand on the value before, too.
        .argParser((text) => parseRequestId(text)),
    );
  return withClientOptions(command)
    .addHelpText(
      'after',
      `
With --json: {"allocation": {...}, "replayed": false}, as AllocateOrderResponse in the proto.
Exit code 3 means perhaps done: ask again with the request id that the message names.

Examples:
  order-numbers allocate --store 32913
  order-numbers allocate --store 32913 --request-id cart-4711
  order-numbers allocate --store 32913 --count 10 --json`,
    )
    .action(async (flags: AllocateFlags) => {
      const { store: storeId, count } = flags;
      // Created here and not by the client, so that it can be named however the call ends.
      const requestId = flags.requestId ?? newRequestId();
      const unknown = askAgain(command, { ...flags, requestId });
      await withClient(
        command,
        async (client, { output, json }) => {
          const request = { storeId, requestId, ...(count === 1 ? {} : { count }) };
          const answer = await client.allocate(request, { signal: stopOnSignal() });
          const { replayed } = answer;
          await output.line(
            json
              ? JSON.stringify({ allocation: allocationJson(answer), replayed })
              : allocationTable(answer, [['replayed', replayed ? 'yes' : 'no']]),
          );
          // A number that was never shown is as good as an unknown outcome.
          await output.flush();
        },
        { unknown, needsReader: true },
      );
    });
}

function askAgain(
  command: Command,
  { store, count, requestId }: AllocateFlags & { requestId: string },
): UnknownOutcome {
  const words = ['order-numbers', 'allocate', '--store', String(store), '--request-id', requestId];
  if (count !== 1) words.push('--count', String(count));
  for (const option of command.options) {
    const name = option.attributeName();
    if (['store', 'count', 'requestId'].includes(name) || command.getOptionValueSource(name) !== 'cli') continue;
    // A token has no business in a log.
    const value = name === 'token' ? '<token>' : String(command.getOptionValue(name));
    words.push(option.long!, ...(option.isBoolean() ? [] : [value]));
  }
  const repeat = words.map(shellWord).join(' ');
  return {
    advice: `Ask again with: ${repeat}`,
    fields: { requestId, repeat },
  };
}

function parseRequestId(text: string): string {
  try {
    checkRequestId(text);
  } catch {
    throw new InvalidArgumentError('Use 1 to 128 printable ASCII characters without a space.');
  }
  return text;
}
