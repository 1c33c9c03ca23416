/** The least time limit of a test here: it starts several servers, or opens hundreds of ledgers. */
export const LIMIT_MS = 600_000;
