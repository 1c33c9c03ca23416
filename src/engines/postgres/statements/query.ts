import type { QueryResultRow } from 'pg';

/** Runs one short read, each in a transaction of its own: int8 columns come as bigint, int4 as number. */
export type Query = <Row extends QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

/** Reads a function of the schema by its name. */
export type Read = <Row extends QueryResultRow>(name: string, ...values: readonly unknown[]) => Promise<Row[]>;
