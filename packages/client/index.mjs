// The code is CommonJS, so that a program which imports it in one place and requires it in another has one copy of it,
// and one OrderNumbersError.
export { createClient, OrderNumbersError } from './dist/client/index.js';
