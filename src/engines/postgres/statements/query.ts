import type { QueryResultRow } from 'pg';

/** Runs one short read, each in a transaction of its own: int8 columns come as bigint, int4 as number. */
export type Query = <Row extends QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;
