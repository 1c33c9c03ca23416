import { Client, TypeOverrides } from 'pg';

const INT8 = 20;

const types = new TypeOverrides();
types.setTypeParser(INT8, BigInt);

/** A row of an answer; int8 comes as bigint. */
export type Row = Record<string, unknown>;

/** Connects, runs a query and disconnects; returns the rows. */
export async function query(url: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  return withClient(url, async (client) => (await client.query<Row>(sql, [...values])).rows);
}

/** A connection for as long as the work takes. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, types });
  // The next query notices a connection lost while idle.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
