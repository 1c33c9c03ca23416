import type { Call } from '../calls.ts';

/** An admitted call, as a method has it, whichever carrier has brought it. */
export type EnteredCall = Pick<
  Call<unknown>,
  'principal' | 'origin' | 'refusalOf' | 'numberedIn' | 'answered' | 'answeredEach' | 'refused' | 'streamed' | 'failed'
>;
