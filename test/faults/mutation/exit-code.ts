/** Of a session, after a mutant that hangs: a new one goes on behind it. */
export const HUNG = 75;
