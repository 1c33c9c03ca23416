import { join } from 'node:path';
import { patchedBy } from '../../hostile/patched-by.ts';
import { GrpcClient } from '../../../support/clients/grpc-client.ts';
import { ServerProcess, testFolder } from '../../../support/processes/server-process.ts';

/** The level of a line of the log that an operator should look at. */
const ERROR = 50;
/** No hostile input names it. */
const HONEST_STORE = 77_777_777n;

/** A real server, to which hostile inputs are sent over the wire. */
export class WireServer {
  readonly grpc: string;
  readonly http: string;
  readonly #server: ServerProcess;
  readonly #client: GrpcClient;
  #numbers = 99n;
  #linesSeen = 0;

  private constructor(server: ServerProcess, grpc: string, http: string) {
    this.#server = server;
    this.#client = new GrpcClient(grpc);
    this.grpc = grpc;
    this.http = http;
  }

  /** `without`: protections that it does not have, by their names in the hostile lab. */
  static async start(...without: readonly string[]): Promise<WireServer> {
    const env = without.length > 0 ? { NODE_OPTIONS: `--import=${patchedBy(without)}` } : {};
    const server = new ServerProcess(join(testFolder(), 'orders.db'), { http: true, env });
    const { grpc, http } = await server.line('serving');
    return new WireServer(server, String(grpc), String(http));
  }

  /** Throws unless it still numbers for others, one after the other, and has nothing to tell its operator. */
  async check(): Promise<void> {
    const { allocation } = await this.#client.allocate(HONEST_STORE);
    if (allocation.orderNumber !== ++this.#numbers) throw new Error(`the next number is ${allocation.orderNumber}`);
    const lines = this.#server.log.slice(this.#linesSeen);
    this.#linesSeen += lines.length;
    const error = lines.find(({ level }) => level >= ERROR || level === 0);
    if (error) throw new Error(`the server logged ${JSON.stringify(error)}`);
    if (this.#server.stderr !== '') throw new Error(`the server wrote ${this.#server.stderr}`);
  }
}
