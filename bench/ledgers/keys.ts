/** The request_ids of a ledger: in time order, as our own client sends them, or random. */
export const KEYS = ['uuidv7', 'uuidv4'] as const;
export type Keys = (typeof KEYS)[number];
