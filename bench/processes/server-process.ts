import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { endChild, startChild } from './child-process.ts';

/** Resident memory of a process, in bytes. */
export interface ResidentMemory {
  readonly now: number;
  /** The highest value so far. */
  readonly peak: number;
}

interface Addresses {
  readonly grpc: string;
  readonly http: string | undefined;
}

/** A server in a process of its own that has logged "serving". */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #said: string[];
  /** The address of gRPC. */
  readonly address: string;
  /** The address of HTTP, if it is on. */
  readonly http: string | undefined;
  /** From the spawn to the log line, in milliseconds. */
  readonly startMs: number;

  private constructor(child: ChildProcess, said: string[], { grpc, http }: Addresses, startMs: number) {
    this.#child = child;
    this.#said = said;
    this.address = grpc;
    this.http = http;
    this.startMs = startMs;
  }

  /** A program that logs "serving" as our server does. */
  static start(program: string): Promise<ServerProcess> {
    return ServerProcess.#start([program]);
  }

  /** The real command, with its own defaults except for these flags. */
  static serve(ledger: string, ...flags: string[]): Promise<ServerProcess> {
    const listen = [
      '--grpc-listen',
      '127.0.0.1:0',
      '--http-listen',
      'off',
      '--metrics-listen',
      'off',
      '--ledger',
      ledger,
    ];
    return ServerProcess.#start(['src/cli/order-numbers.js', 'serve', ...listen, ...flags]);
  }

  static async #start(command: readonly string[]): Promise<ServerProcess> {
    const spawned = performance.now();
    const child = startChild(process.execPath, command);
    const said: string[] = [];
    const serving = Promise.withResolvers<Addresses>();
    // Both are read to the end: the server would have to buffer unread output.
    child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      said.push(line);
      const addresses = servingAddresses(line);
      if (addresses) serving.resolve(addresses);
    });
    child.once('close', () => serving.reject(new Error(`${command[0]} did not start: ${said.join(' ').trim()}`)));
    const addresses = await serving.promise;
    return new ServerProcess(child, said, addresses, performance.now() - spawned);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Undefined on systems without /proc. */
  residentMemory(): ResidentMemory | undefined {
    if (process.platform !== 'linux') return undefined;
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
    return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
  }

  /** Throws on systems without /proc. */
  requireMemory(): ResidentMemory {
    const memory = this.residentMemory();
    if (!memory) throw new Error('memory can only be measured on Linux');
    return memory;
  }

  /** Asks it to stop, as an operator would; rejects if it does not exit with 0. */
  async stop(): Promise<void> {
    const code = await endChild(this.#child, 'SIGTERM');
    if (code !== 0) throw new Error(`a server ended with ${code}: ${this.#said.slice(-5).join(' ').trim()}`);
  }

  /** Kill -9. */
  async kill(): Promise<void> {
    await endChild(this.#child, 'SIGKILL');
  }
}

function servingAddresses(line: string): Addresses | undefined {
  try {
    const { msg, grpc, http } = JSON.parse(line) as { msg?: string; grpc: string; http?: string };
    return msg === 'serving' ? { grpc, http } : undefined;
  } catch {
    return undefined;
  }
}
