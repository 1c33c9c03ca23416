import type { NumberingPeer } from './order-client.ts';
import { client, clientOnPostgres } from './ours.ts';
import { hotRow } from './postgres/hot-row.ts';
import { rowLock } from './postgres/row-lock.ts';
import { redis } from './redis/redis-peer.ts';
import { sqlitePerOrder } from './sqlite/sqlite-peer.ts';

/** Our server, and the other systems that do the same work. */
export const EVERY_PEER: readonly NumberingPeer[] = [client, sqlitePerOrder, redis, clientOnPostgres, hotRow, rowLock];
