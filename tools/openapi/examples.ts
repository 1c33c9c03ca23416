import examples from './examples.json' with { type: 'json' };

/** A request and its answer, per method; of a stream, one of its messages. */
export type Examples = Readonly<Record<string, { readonly request: object; readonly response?: object }>>;

/**
 * In their order, on a new ledger: test/tools/openapi.test.ts calls them so, and finds these answers but for the times.
 */
export const EXAMPLES: Examples = examples;
