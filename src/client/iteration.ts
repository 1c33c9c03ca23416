/**
 * An iterator over a generator whose `return` ends it at once: the generator's own `return` would wait for the message
 * that a pending `next` waits for. The generator must end when its signal is aborted.
 */
export function stoppable<T>(generate: (returned: AbortSignal) => AsyncGenerator<T, void>): AsyncIterableIterator<T> {
  const returned = new AbortController();
  const source = generate(returned.signal);
  const done: IteratorReturnResult<undefined> = { done: true, value: undefined };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        return await source.next();
      } catch (error) {
        if (returned.signal.aborted) return done;
        throw error;
      }
    },
    async return() {
      returned.abort();
      await source.return();
      return done;
    },
  };
}
