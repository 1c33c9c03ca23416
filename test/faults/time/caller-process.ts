import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { History } from '../history/history.ts';
import { STORE } from './one-attempt.ts';

const CALLER = new URL('caller.ts', import.meta.url).pathname;

interface Printed {
  readonly i: number;
  readonly orderId: string;
  readonly orderNumber: string;
  readonly createTimeMs: number;
}

/** A client in a process of its own, whose answers go into the history. */
export class CallerProcess {
  readonly child: ChildProcess;
  readonly #output: Promise<string>;
  readonly #history: History;
  readonly #calls;

  constructor(address: string, name: string, orders: number, history: History) {
    this.#history = history;
    const keys = Array.from({ length: orders }, (_, i) => ({ storeId: STORE, requestId: `${name}-${i}`, count: 1 }));
    this.#calls = keys.map((asked) => history.begin(name, asked));
    this.child = spawn(process.execPath, [CALLER, address, name, String(orders)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#output = text(this.child.stdout!);
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.#output;
    });
  }

  /** Resolves to its exit code, when it has all answers. */
  async ended(): Promise<number | null> {
    const [output] = await Promise.all([this.#output, this.child.exitCode ?? once(this.child, 'close')]);
    for (const line of output.split('\n').filter(Boolean)) {
      const { i, orderId, orderNumber, createTimeMs } = JSON.parse(line) as Printed;
      const { storeId, requestId, count } = this.#calls[i]!;
      const pair = {
        storeId,
        requestId,
        count,
        createTimeMs,
        orderId: BigInt(orderId),
        orderNumber: BigInt(orderNumber),
      };
      this.#history.answered(this.#calls[i]!, pair, false);
    }
    return this.child.exitCode;
  }
}
