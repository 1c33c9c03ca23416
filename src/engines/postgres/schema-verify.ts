/** The functions that only a verification needs. */
export const VERIFY_FUNCTIONS = '';
