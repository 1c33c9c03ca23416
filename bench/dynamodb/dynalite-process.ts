import { once } from 'node:events';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { freeAddress } from '../../test/support/network/free-address.ts';
import { endChild, startChild } from '../processes/child-process.ts';

const DYNALITE = new URL('../../node_modules/dynalite/cli.js', import.meta.url).pathname;

/** A DynamoDB without AWS, as a process of its own, which keeps its tables on disk. */
export class DynaliteProcess {
  readonly endpoint: string;
  readonly #child: ReturnType<typeof startChild>;

  private constructor(endpoint: string, child: ReturnType<typeof startChild>) {
    this.endpoint = endpoint;
    this.#child = child;
  }

  static async start(folder: string): Promise<DynaliteProcess> {
    const address = await freeAddress();
    const [host = '', port = ''] = address.split(':');
    const args = [DYNALITE, '--host', host, '--port', port, '--path', join(folder, 'dynalite')];
    const child = startChild(process.execPath, [...args, '--createTableMs', '0']);
    // It says where it listens once it does.
    await once(child.stdout!, 'data');
    return new DynaliteProcess(`http://${address}`, child);
  }

  /** Sends each request once, as the engine does. It takes any credentials. */
  client(): DynamoDBClient {
    const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
    return new DynamoDBClient({ region: 'eu-central-1', endpoint: this.endpoint, credentials, maxAttempts: 1 });
  }

  async stop(): Promise<void> {
    await endChild(this.#child, 'SIGTERM');
  }
}
