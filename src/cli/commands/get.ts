import { Command, Option } from 'commander';
import type { AllocationKey } from '../../client/index.ts';
import { allocationTable } from '../view/allocation-view.ts';
import { withClient } from '../run/client-command.ts';
import { withClientOptions } from '../run/client-options.ts';
import { ALLOCATION_FIELDS, allocationJson } from '../view/json-form.ts';
import { alone, rowForm } from '../view/rows.ts';
import type { OutputFlags } from '../view/output-option.ts';
import { CSV_ROWS } from '../view/output-option.ts';
import { notEmpty, parseNumber } from '../run/option-values.ts';

interface GetFlags extends OutputFlags {
  readonly orderId?: bigint;
  readonly store?: bigint;
  readonly orderNumber?: bigint;
  readonly requestId?: string;
}

/** `order-numbers get` */
export function getCommand(): Command {
  const command = new Command('get')
    .addOption(new Option('--order-id <n>', 'look up by order_id, the number over all stores').argParser(parseNumber))
    .addOption(new Option('--store <id>', 'store id, with one of the next two options').argParser(parseNumber))
    .addOption(
      new Option('--order-number <n>', 'look up by order_number, the number within the store').argParser(parseNumber),
    )
    .addOption(new Option('--request-id <key>', 'look up by request id, the idempotency key').argParser(notEmpty));
  return withClientOptions(command, { csv: CSV_ROWS })
    .addHelpText(
      'after',
      `
With --json: one object, as Allocation in the proto.

Examples:
  order-numbers get --order-id 1234567
  order-numbers get --store 32913 --order-number 100
  order-numbers get --store 32913 --request-id cart-4711`,
    )
    .action(async (flags: GetFlags) => {
      const key = keyOf(flags);
      if (key === undefined) {
        return command.error(`error: ${keyWanted(flags)}`);
      }
      await withClient(command, async (client, { output }) => {
        const allocation = await client.getAllocation(key);
        const form = await rowForm(flags, alone(allocationTable), ALLOCATION_FIELDS, allocationJson);
        for (const line of form.row(allocation)) await output.line(line);
      });
    });
}

/** Why the flags name no key: those who have only a number often do not know that each store has its own. */
function keyWanted({ orderId, store, orderNumber, requestId }: GetFlags): string {
  if (orderId === undefined && store === undefined) {
    if (orderNumber !== undefined && requestId === undefined) {
      return `each store can have an order_number ${orderNumber}: add --store <id>`;
    }
    if (orderNumber === undefined && requestId !== undefined) {
      return 'each store has request ids of its own: add --store <id>';
    }
  }
  return 'give one key to look up: --order-id <n>, or --store <id> with --order-number <n> or --request-id <key>';
}

/** Undefined unless the flags name exactly one key. */
function keyOf({ orderId, store: storeId, orderNumber, requestId }: GetFlags): AllocationKey | undefined {
  if ([orderId, orderNumber, requestId].filter((part) => part !== undefined).length !== 1) return undefined;
  if (orderId !== undefined) return storeId === undefined ? { orderId } : undefined;
  if (storeId === undefined) return undefined;
  if (orderNumber !== undefined) return { storeId, orderNumber };
  return requestId === undefined ? undefined : { storeId, requestId };
}
