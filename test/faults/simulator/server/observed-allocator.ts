import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import type { AllocatorOptions } from '../../../../src/core/allocator.ts';
import { Allocator } from '../../../../src/core/allocator.ts';
import type { Caller } from '../../../../src/core/calls/caller.ts';
import { OrderError } from '../../../../src/core/errors.ts';
import type { ServerJudge } from './server-judge.ts';

/** The real allocator, whose callers and answers a judge sees. */
export class ObservedAllocator extends Allocator {
  readonly #judge: ServerJudge;

  constructor(options: AllocatorOptions, judge: ServerJudge) {
    super(options);
    this.#judge = judge;
  }

  override enqueue(asked: AllocationRequest, caller: Caller): void {
    const judge = this.#judge;
    const place = judge.arrived(asked, caller);
    try {
      super.enqueue(asked, {
        signal: caller.signal,
        origin: caller.origin,
        resolve: (answer, batch) => {
          judge.resolved(place, answer);
          caller.resolve(answer, batch);
        },
        reject: (error, batch) => {
          judge.rejected(place, error);
          caller.reject(error, batch);
        },
      });
    } catch (error) {
      if (error instanceof OrderError) judge.refusedAtOnce(place, error);
      throw error;
    }
    judge.queued(place, this.queueLength);
  }
}
