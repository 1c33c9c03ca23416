import { Command, Option } from 'commander';
import type { OrderNumbersClient, OrderNumbersError as ClientError, ServerStatus } from '../../client/index.ts';
import { OrderNumbersError } from '../../client/index.ts';
import { wholeNumber } from '../../core/text/plain-text.ts';
import { interruption, stopOnSignal, withClient } from '../run/client-command.ts';
import { withConnectionOptions } from '../run/client-options.ts';
import { environment } from '../run/environment.ts';
import { asOptionParser } from '../run/option-values.ts';
import type { CommandContext } from '../run/run-command.ts';
import { serverJson } from '../view/json-form.ts';
import { LiveFrame } from '../view/live-frame.ts';
import type { LostServer } from '../view/server-view.ts';
import { serverFrame, ServerLines } from '../view/server-view.ts';

interface TopFlags {
  readonly server: string;
  readonly count?: number;
}

/** How the steps of a watch are shown. */
interface View {
  show(step: ServerStatus): Promise<void>;
  /** The server does not answer; called for each attempt. */
  lost(error: ClientError): void;
}

/** `order-numbers top` */
export function topCommand(): Command {
  const command = new Command('top').addOption(
    new Option('--count <n>', 'end after n steps (default: go on until Ctrl-C)').argParser(
      asOptionParser(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    ),
  );
  return withConnectionOptions(command)
    .addHelpText(
      'after',
      `
One step per second: whether the server serves, and if not, why; its last
order_id; how many requests wait for a batch; and what it did in the last second:
requests numbered, replayed (numbers given before) and refused, p50 and p99 of
the calls for numbers and of the commits, batches and their size. The first step
has only the state.

On a terminal the figures are redrawn in place; otherwise each step is a line.
With --json: one object per line, as WatchServerResponse in the proto; what was
not measured is null. It reconnects for as long as it takes. A token needs the
verb read for all stores. If several servers share a ledger, each reports on
itself.

Examples:
  order-numbers top
  order-numbers top --count 2 --json | tail -n 1`,
    )
    .action(async (flags: TopFlags) => {
      await withClient(command, (client, context) => top(client, flags, context), { reword });
    });
}

function reword(error: unknown): string | undefined {
  if (!(error instanceof OrderNumbersError) || error.code !== 'UNIMPLEMENTED') return undefined;
  return 'the server does not know WatchServer: it is older than this command; upgrade it, or read its metrics';
}

async function top(client: OrderNumbersClient, { server, count }: TopFlags, context: CommandContext): Promise<void> {
  const signal = stopOnSignal();
  const view = viewFor(server, context);
  let steps = 0;
  for await (const step of client.watchServer({ signal, onInterrupted: (error) => view.lost(error) })) {
    await view.show(step);
    if (++steps === count) return;
  }
}

function viewFor(server: string, context: CommandContext): View {
  const isTerminal = context.terminalWidth !== undefined && environment()['TERM'] !== 'dumb';
  return !context.json && isTerminal ? terminalView(server, context) : lineView(server, context);
}

function terminalView(server: string, context: CommandContext): View {
  const frame = new LiveFrame(context.output);
  const draw = (step: ServerStatus | LostServer) =>
    // The current width: the terminal may have been resized.
    frame.draw(serverFrame(server, step, context.terminalWidth ?? Infinity));
  return {
    show: draw,
    // A terminal that is gone ends the command at the next step.
    lost: (error) => void draw({ lost: `${error.message}; retrying` }).catch(() => {}),
  };
}

function lineView(server: string, { output, json, say }: CommandContext): View {
  const lines = new ServerLines();
  // Printed once, however many attempts it takes.
  let isLost = false;
  return {
    async show(step) {
      if (isLost) say(json ? JSON.stringify({ connected: server }) : `connected to ${server}`);
      isLost = false;
      for (const line of json ? [JSON.stringify(serverJson(step))] : lines.row(step)) await output.line(line);
      await output.flush();
    },
    lost(error) {
      if (!isLost) say(interruption(server, error, json));
      isLost = true;
    },
  };
}
