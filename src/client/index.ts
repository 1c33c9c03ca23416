export type * from './api.ts';
export type * from './streams/server-status.ts';
export type * from './streams/verify-step.ts';
export { createClient } from './client.ts';
export type { ConnectionProblem, Outcome } from './order-numbers-error.ts';
export { OrderNumbersError } from './order-numbers-error.ts';
