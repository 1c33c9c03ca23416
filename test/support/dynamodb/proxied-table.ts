import { onTestFinished } from 'vitest';
import { dynamodbEndpoint, newTableUrl } from './dynalite.ts';
import { DynamodbProxy } from './dynamodb-proxy.ts';

/** A table, and a way to it that can fail. */
export interface ProxiedTable {
  /** Past the proxy. */
  readonly direct: string;
  /** Through the proxy. */
  readonly url: string;
  readonly proxy: DynamodbProxy;
}

/** The URL of a table that does not exist yet. The proxy is closed when the test ends. */
export async function proxiedTable(): Promise<ProxiedTable> {
  const proxy = await DynamodbProxy.start(await dynamodbEndpoint());
  onTestFinished(() => {
    proxy.release();
    proxy.refuse();
  });
  const direct = await newTableUrl();
  const url = new URL(direct);
  url.searchParams.set('endpoint', proxy.endpoint);
  return { direct, url: url.href, proxy };
}
