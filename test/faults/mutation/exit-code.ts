/** The exit code of a session after a mutant that hangs: a new session goes on behind that mutant. */
export const HUNG = 75;
