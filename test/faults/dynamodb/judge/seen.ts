import type { Allocation } from '../../../../src/core/allocation.ts';
import type { Reason } from '../../../../src/core/reasons.ts';
import type { AllocationKey, AllocationRange, LedgerEnd } from '../../../../src/core/ledger.ts';
import type { Store } from '../../../../src/core/store.ts';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';

/** Something that was asked of a server beside allocations. Times are turns of the clock. */
export interface Asked {
  readonly start: number;
  end: number;
  /** Why it was refused; 'killed' if its server died. Undefined if it was answered. */
  refused: Reason | 'killed' | undefined;
}

/** A store that was created or changed; its prefix is its own. */
export interface SeenChange extends Asked {
  readonly what: 'create store' | 'update store';
  readonly storeId: bigint;
  readonly prefix: string;
  readonly firstNumber: bigint | undefined;
  before: Store | undefined;
  after: Store | undefined;
}

/** Anything that was read. */
export type SeenRead = Asked &
  (
    | { readonly what: 'get store'; readonly storeId: bigint; answer?: Store | undefined }
    | { readonly what: 'look up'; readonly key: AllocationKey; answer?: Allocation | undefined }
    | { readonly what: 'list allocations'; readonly range: AllocationRange; answer?: readonly Allocation[] }
    | {
        readonly what: 'list stores';
        readonly afterStoreId: bigint;
        readonly upToStoreId: bigint;
        readonly limit: number;
        answer?: readonly Store[];
      }
    | { readonly what: 'end'; answer?: LedgerEnd }
    | { readonly what: 'verify'; answer?: readonly VerifyEvent[] }
  );
