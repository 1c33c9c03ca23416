import type { TableClient } from '../../../../src/engines/dynamodb/table/one-attempt.ts';
import type { SimulatedProcess, VirtualClock } from '../../seeded/time/virtual-clock.ts';
import type { Command } from '../loading/commands.ts';
import { CreateTableCommand } from '../loading/commands.ts';
import type { Account } from './account.ts';
import { failure } from './failure.ts';
import type { Fate, Fates, Kind } from './fates.ts';
import { entriesOf, execute, kindOf, together, withLeftOut } from './operations.ts';

/** Where in the life of a request a server may be killed. */
export type Point = 'sent' | 'done' | 'answered';

/** What a client sends its requests through. */
export interface TableWorld {
  readonly clock: VirtualClock;
  readonly account: Account;
  readonly fates: Fates;
  injected(fault: string): void;
  note(what: string, detail: string): void;
  /** A request has come to this point. May kill the process that sent it. */
  reached(process: SimulatedProcess, kind: Kind, point: Point): void;
}

/** No server's process: what happens in the network and in the table goes on, whichever server dies. */
export const NOBODY: SimulatedProcess = { isDead: false, aheadMs: 0 };

type Settle = (output: unknown, error: Error | undefined) => void;

/** The SDK's client of one process, over a simulated network. */
export class SimulatedClient {
  readonly #world: TableWorld;
  readonly #process: SimulatedProcess;

  constructor(world: TableWorld, process: SimulatedProcess) {
    this.#world = world;
    this.#process = process;
  }

  send = ((command: Command) => this.#send(command)) as unknown as TableClient['send'];

  #send(command: Command): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const world = this.#world;
      const process = this.#process;
      const { clock, account } = world;
      if (process.isDead) return;
      const kind = kindOf(command);
      world.reached(process, kind, 'sent');
      if (process.isDead) return;
      const fate = world.fates.of(kind);
      const { fault, requestMs, lateMs } = fate;
      if (fault && isPossible(fault, command)) world.injected(`${kind}: ${fault}`);
      if (fault === 'request lost') return;
      const { incarnation } = account;
      const arrive = (isCopy: boolean) => {
        // No request outlives its table: another one of the same name takes longer to make than a request may be late.
        if (account.incarnation !== incarnation) return;
        this.#arrived(command, fate, kind, (output, error) => {
          if (isCopy || fault === 'answer lost') return;
          const answerMs = fault === 'answer late' ? lateMs : fate.answerMs;
          const settle = () => {
            if (error) reject(error);
            else resolve(output);
            clock.after(0, () => world.reached(process, kind, 'answered'), process);
          };
          clock.after(answerMs, settle, process);
        });
      };
      clock.after(fault === 'request late' ? lateMs : requestMs, () => arrive(false), NOBODY);
      if (fault === 'request twice') clock.after(requestMs + lateMs, () => arrive(true), NOBODY);
    });
  }

  #arrived(command: Command, fate: Fate, kind: Kind, settle: Settle): void {
    const { clock, account } = this.#world;
    const { fault, restMs, staleMs, share } = fate;
    if (fault === 'throttled') return settle(undefined, failure('ThrottlingException'));
    if (fault === 'failed before it was done') return settle(undefined, failure('InternalServerError'));
    const all = entriesOf(command) ?? [];
    const isPartial = fault === 'partly done' && all.length > 1;
    const entries = isPartial ? all.slice(0, Math.floor(share * all.length)) : all;
    const end: Settle = (output, error) => {
      if (command instanceof CreateTableCommand) this.#create();
      this.#world.reached(this.#process, kind, 'done');
      if (fault === 'failed after it was done') return settle(undefined, failure('InternalServerError'));
      settle(error ? undefined : withLeftOut(command, output, all.slice(entries.length)), error);
    };
    const step = (part: readonly unknown[]) => {
      return execute(account, command, { ms: clock.nowMs, turn: clock.turns, staleMs }, part);
    };
    try {
      if (restMs === undefined || entries.length < 2) return end(step(entries), undefined);
      const middle = Math.ceil(entries.length * share);
      const first = step(entries.slice(0, middle));
      const finish = () => {
        try {
          end(together(command, first, step(entries.slice(middle))), undefined);
        } catch (error) {
          end(undefined, error as Error);
        }
      };
      clock.after(restMs, finish, NOBODY);
    } catch (error) {
      end(undefined, withoutItem(error as Error, fault));
    }
  }

  #create(): void {
    const { clock, account } = this.#world;
    if (account.status !== 'CREATING') return;
    clock.after(
      120,
      () => {
        if (account.status === 'CREATING') account.status = 'ACTIVE';
      },
      NOBODY,
    );
  }
}

function isPossible(fault: string, command: Command): boolean {
  return fault !== 'partly done' || (entriesOf(command)?.length ?? 0) > 1;
}

function withoutItem(error: Error, fault: Fate['fault']): Error {
  return fault === 'taken, without the item' ? failure(error.name) : error;
}
