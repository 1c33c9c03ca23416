// What one client can take, whichever transport it uses.

/** Largest header list of a call, in bytes: gRPC's usual 8 KiB, and some room. */
export const MAX_HEADER_BYTES = 16 * 1024;
/** Largest message or body of a call, in bytes; the largest that makes sense has some 400. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** Connections of one listener at the same time. */
export const MAX_CONNECTIONS = 10_000;
/** A peer that is gone without a word is noticed after this much silence, and its calls end. */
export const KEEP_ALIVE_MS = 60_000;
