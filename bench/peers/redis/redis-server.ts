import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { reusablePort } from '../../../test/support/network/reusable-port.ts';
import { endChild, startChild } from '../../processes/child-process.ts';

/** Each answer waits for the disk, as ours do. The file is never rewritten, and no snapshot is taken. */
const SETTINGS = {
  bind: '127.0.0.1',
  appendonly: 'yes',
  appendfsync: 'always',
  'auto-aof-rewrite-percentage': '0',
  save: '',
};

/** A Redis that the bench starts on a free port of 127.0.0.1, with its data in a folder of its own. */
export class RedisServer {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Resolves when it accepts connections and has loaded what an earlier one left in the folder. */
  static async start(folder: string): Promise<RedisServer> {
    for (;;) {
      const port = reusablePort();
      const flags = Object.entries({ ...SETTINGS, dir: folder, port: String(port) });
      const child = startChild(
        'redis-server',
        flags.flatMap(([name, value]) => [`--${name}`, value]),
      );
      const said: string[] = [];
      if (await isReady(child, said)) return new RedisServer(child, port);
      if (!said.some((line) => line.includes('Address already in use'))) {
        throw new Error(`redis-server did not start: ${said.slice(-5).join(' ')}`);
      }
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async stop(): Promise<void> {
    await endChild(this.#child, 'SIGTERM');
  }

  async kill(): Promise<void> {
    await endChild(this.#child, 'SIGKILL');
  }
}

/** Resolves to false if the process ends before it is ready. Its log is on standard output, which is read to the end. */
async function isReady(child: ChildProcess, said: string[]): Promise<boolean> {
  const ready = Promise.withResolvers<boolean>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    said.push(line);
    if (line.includes('Ready to accept connections')) ready.resolve(true);
  });
  child.stderr?.resume();
  child.once('close', () => ready.resolve(false));
  return ready.promise;
}
