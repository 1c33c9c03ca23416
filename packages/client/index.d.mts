export type * from './dist/client/index.js';
export { createClient, OrderNumbersError } from './dist/client/index.js';
