import type { PlantedBug } from '../../seeded/loading/planted-bug.ts';

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'answer given to the neighbour',
    seed: 1,
    shows: /was given the numbers of/,
    changes: [{ file: 'src/core/allocator.ts', from: 'outcomes[i], now', to: 'outcomes[(i + 1) % batch.length], now' }],
  },
  {
    name: 'results of a combined call in another order',
    seed: 1,
    shows: /was sent the numbers of/,
    changes: [
      {
        file: 'src/server/methods/batch-method.ts',
        from: 'return { results, answers };',
        to: 'return { results: results.toReversed(), answers };',
      },
    ],
  },
  {
    name: 'the client takes the answer to another request',
    seed: 17,
    shows: /the caller of .* got the numbers of/,
    changes: [
      {
        file: 'src/client/combining/batch.ts',
        from: 'if (allocation && !isAnswerTo(request, allocation)) {',
        to: 'if (false) {',
      },
    ],
  },
  {
    name: 'a retry with a new key',
    seed: 1,
    shows: /nobody asked for it/,
    changes: [
      {
        file: 'src/client/combining/waiting-request.ts',
        from: 'this.#sender.sendAgain(this);\n  }\n\n  #forget',
        to: '(this as { requestId: string }).requestId += "x";\n    this.#sender.sendAgain(this);\n  }\n\n  #forget',
      },
    ],
  },
  {
    name: 'reply before commit',
    seed: 1,
    shows: /was answered before its numbers were on disk/,
    changes: [
      {
        file: 'test/faults/simulator/engine/indexed-disk.ts',
        from: 'for (const row of rows) {',
        to: 'for (const row of rows) setTimeout(() => {',
      },
      {
        file: 'test/faults/simulator/engine/indexed-disk.ts',
        from: 'this.byKey.set(keyOf(row), row);\n      }',
        to: 'this.byKey.set(keyOf(row), row);\n      }, 2);',
      },
    ],
  },
  {
    name: 'one key for two stores',
    seed: 1,
    shows: /was joined to it|was given the numbers of/,
    changes: [
      {
        file: 'src/core/allocator.ts',
        from: 'return `${storeId} ${requestId}`;',
        to: 'return `${String(storeId).slice(20)} ${requestId}`;',
      },
    ],
  },
  {
    name: 'a number for a cancelled call',
    seed: 2,
    shows: /had gone before its batch was formed/,
    changes: [
      {
        file: 'src/core/allocator.ts',
        from: 'if (callers.every(({ signal }) => signal.aborted)) return false;',
        to: '',
      },
    ],
  },
  {
    name: 'a mismatch joined as a copy',
    seed: 2,
    shows: /with another count was joined to it/,
    changes: [
      {
        file: 'src/core/allocator.ts',
        from: 'if (racing && racing.request.count !== request.count) throw mismatch(request, racing.request.count);',
        to: '',
      },
    ],
  },
  {
    name: 'a replay of another count is answered',
    seed: 4,
    shows: /asked for \d+ numbers and got \d+/,
    changes: [
      { file: 'src/core/allocator.ts', from: 'if (allocation.count !== pending.request.count) {', to: 'if (false) {' },
    ],
  },
  {
    name: 'last in, first out',
    seed: 1,
    shows: /was overtaken by a later request/,
    changes: [
      {
        file: 'src/core/fair-queue.ts',
        from: '    this.#entries.push(entry);',
        to: '    this.#entries.splice(this.#first, 0, entry);',
      },
    ],
  },
  {
    name: 'a drain refuses the batch under way',
    seed: 19,
    shows: /whose batch was under way, was told DRAINING/,
    changes: [
      {
        file: 'src/core/allocator.ts',
        from: 'this.#refuse(pending, outcomeUnknown(pending.request));\n    }\n    return drained;',
        to: 'this.#refuse(pending, draining());\n    }\n    return drained;',
      },
    ],
  },
  {
    name: 'a failed commit is a definite refusal',
    seed: 1,
    shows: /whose batch was under way, was told CANCELLED/,
    changes: [
      {
        file: 'src/core/allocator.ts',
        from: 'nothingDone ? error : outcomeUnknown(pending.request, error)',
        to: 'nothingDone ? error : cancelled()',
      },
    ],
  },
  {
    name: 'every racing copy is told that the pair is new',
    seed: 1,
    shows: /was told as new|were told as new|were told that its numbers are new/,
    changes: [
      {
        file: 'src/core/allocator.ts',
        from: 'caller.resolve(caller === first ? outcome : { allocation, replayed: true }, batch)',
        to: 'caller.resolve(outcome, batch)',
      },
    ],
  },
  {
    name: 'a result list one short is accepted',
    seed: 10,
    shows: /have no answer/,
    changes: [
      {
        file: 'src/client/combining/batch.ts',
        from: 'if (results.length !== this.#requests.length) {',
        to: 'if (false) {',
      },
    ],
  },
  {
    name: 'a request that was sent counts as not sent',
    seed: 1,
    shows: /all of its callers were refused/,
    changes: [
      {
        file: 'src/client/connection/connection.ts',
        from: 'wasSent = () => wasConnected || this.#hasPeer(call);',
        to: 'wasSent = () => false;',
      },
    ],
  },
  {
    name: 'those who left stay in a combined call that is not sent',
    seed: 13,
    shows: /all of its callers were refused/,
    changes: [
      {
        file: 'src/client/combining/batch.ts',
        from: 'if (this.#callers === 0 || !wasSent) this.#stop.abort();',
        to: 'if (this.#callers === 0) this.#stop.abort();',
      },
    ],
  },
  {
    name: 'a mismatch settles the attempts before it',
    seed: 437,
    shows: /all of its callers were refused/,
    changes: [
      {
        file: 'src/client/retry.ts',
        from: "return code === 'INVALID_ARGUMENT' ||",
        to: "return code === 'INVALID_ARGUMENT' || reason === 'REQUEST_ID_MISMATCH' ||",
      },
    ],
  },
  {
    name: 'a commit that ends after the drain answers again',
    seed: 26,
    shows: /was answered twice/,
    changes: [
      {
        file: 'src/core/allocator.ts',
        from: 'if (!this.#forget(pending)) return;\n    counts',
        to: 'this.#forget(pending);\n    counts',
      },
    ],
  },
  {
    name: 'a watch resumes one too far',
    seed: 1,
    shows: /a watcher saw order_id/,
    changes: [
      { file: 'src/client/streams/watch.ts', from: 'afterOrderId = cursor;', to: 'afterOrderId = cursor + 1n;' },
    ],
  },
  {
    name: 'a watch takes the rest of a batch for the whole',
    seed: 5,
    shows: /a watcher saw order_id|did not see the last rows/,
    changes: [
      {
        file: 'src/core/reading/watch.ts',
        from: 'const isWhole = first?.orderId === this.#end + 1n &&',
        to: 'const isWhole = true ||',
      },
    ],
  },
];
