// The bounds of a server: what its clients can take. Those that an operator may set are in settings.ts, such as
// --max-queue; what one request may ask for is checked in the core, such as a count in core/allocation.ts.

// A call or a connection, whichever transport it uses.

/** Largest header list of a call, in bytes: gRPC's usual 8 KiB, and some room. */
export const MAX_HEADER_BYTES = 16 * 1024;
/** Largest message or body of a call, in bytes; no useful one has more than some 400. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** The same for a call with several requests: 1000 of the largest have 150,000 over gRPC, and 200,000 over HTTP. */
export const MAX_BATCH_BYTES = 256 * 1024;
/** Bytes of such calls that have come in, in all, while their messages are not complete. */
export const MAX_INCOMING_BYTES = 64 * 1024 * 1024;
/** Connections of one listener at the same time, for gRPC and for HTTP. */
export const MAX_CONNECTIONS = 10_000;
/** The same for the metrics: Prometheus keeps one connection. */
export const MAX_METRICS_CONNECTIONS = 100;
/** A peer that vanishes silently is noticed after this much silence, and its calls end. */
export const KEEP_ALIVE_MS = 60_000;

/**
 * Failed authentications of one address: beyond this they are not logged, and each ends its connection. The limit is
 * above what a client with a mistyped token needs while its operator corrects it, and far too low for guessing.
 */
export const FAILED_ATTEMPTS = { burst: 30, perSecond: 1, addresses: 10_000 };

// TLS handshakes, per listener.

/** The most handshakes in progress: each takes about 50 KB. */
export const MAX_HANDSHAKES = 512;
/** The time limit of a handshake. */
export const HANDSHAKE_MS = 10_000;
/** A handshake that has taken this long counts as stalled: it makes room for a new one if there are too many. */
export const STALLED_HANDSHAKE_MS = 1_000;

// Calls of gRPC at the same time.

/** Calls of one connection at the same time: a client that has more lets them wait, or opens another connection. */
export const MAX_CALLS_PER_CONNECTION = 1000;
/** Many connections share this many; but each has the least, which every client may send before it knows its bound. */
export const CALLS_OF_ALL_CONNECTIONS = 4_000;
export const MIN_CALLS_PER_CONNECTION = 100;
/**
 * Batches, for gRPC and for HTTP each: while those under way have more `requests`, answered ones included, further calls
 * wait for their turn. An answer takes up to 1 KB.
 */
export const BATCHES = { requests: 10_000, maxWaiting: 90 };
/**
 * How long a client may take for the message of a call: at the second check that has not seen it, the call ends. HTTP
 * has the same bound.
 */
export const MESSAGE_WAIT_MS = 30_000;
/** Watches at the same time: each may keep one message that its client does not read. One caller leaves half of them. */
export const WATCHES = { inAll: 1000, perCaller: 500 };
/** Watches of the server at the same time: each is sent some 150 bytes per second. */
export const SERVER_WATCHES = { inAll: 200, perCaller: 100 };
/** Verifications at the same time: each reads the whole ledger. */
export const VERIFICATIONS = { inAll: 2, perCaller: 1 };
/** Watches of grpc.health.v1: a client with health checks has one for each service that it calls. */
export const HEALTH_WATCHES = { inAll: 10_000, perCaller: 16 };
/** Reflection streams: each may hold some received messages, and one answer that its client does not read. */
export const REFLECTION_STREAMS = { inAll: 64, perCaller: 8 };

// Calls that wait for a read or for the write of a store, in numbers of calls. Allocations wait in --max-queue.

/** Calls waiting, for reads and for store writes each. */
export const MAX_WAITING_CALLS = 256;
/** Lookups are short; they share one thread or a few connections with the lists. */
export const LOOKUPS = { maxRunning: 64, maxWaiting: MAX_WAITING_CALLS };
/** A page may have 1000 rows: one at a time, so that a lookup waits for one page at most. */
export const LISTS = { maxRunning: 1, maxWaiting: MAX_WAITING_CALLS / 2 };
/** One at a time, so that no batch of allocations waits for more than one of them. */
export const STORE_WRITES = { maxRunning: 1, maxWaiting: MAX_WAITING_CALLS };
/** Pages of the watches' history, one at a time; WATCHES bounds how many wait. */
export const HISTORY_PAGES = { maxRunning: 1, maxWaiting: Infinity };

// Answers that a client does not read.

/**
 * Bytes that the clients of one connection, and of all, may leave unread: some 200 full pages of a list, so that a
 * client behind a slow network that asks for many at once is served.
 */
export const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
export const MAX_UNSENT_BYTES_IN_ALL = 64 * 1024 * 1024;
/** A stream whose client reads nothing for this long is ended, because its messages take memory. */
export const MAX_STALL_MS = 60_000;
