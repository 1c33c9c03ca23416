import { onTestFinished } from 'vitest';
import { packageVersion } from '../../../src/cli/run/version.ts';
import { serve } from '../../../src/server/server.ts';
import type { ServeSettings } from '../../../src/server/settings.ts';
import { SERVE_SETTINGS } from '../../../src/server/settings.ts';
import { createLogTo } from '../../../src/server/log/log.ts';
import type { LogLine } from '../log-lines.ts';
import { LogLines } from '../log-lines.ts';
import type { ServeOptions } from './server-process.ts';
import { ServerProcess } from './server-process.ts';

/** Any free port. A drain that timed out would end the process of the tests, so it does not. */
const DEFAULTS = {
  httpListen: '127.0.0.1:0',
  metricsListen: '127.0.0.1:0',
  grpcListen: '127.0.0.1:0',
  drainTimeoutMs: '600000',
};

export interface LocalServerOptions {
  readonly args?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
}

/**
 * All of `order-numbers serve` but its process, inside the process of the test: it starts in a sixth of the time of a
 * ServerProcess, and is for tests that neither kill it nor signal it nor measure it. Stopped when the test ends.
 */
export class LocalServer {
  readonly log: readonly LogLine[];
  readonly #lines = new LogLines();
  readonly #stop = Promise.withResolvers<string>();
  readonly #ended: Promise<number>;
  #reload: (() => void) | undefined;

  /** `args` are flags beside --ledger, as {@link ServerProcess} takes them; `variables` are OpenTelemetry's. */
  constructor(ledger: string, { args = [], variables = {} }: LocalServerOptions = {}) {
    const settings = readSettings(['--ledger', ledger, ...args]);
    this.log = this.#lines.all;
    const log = createLogTo(settings.logLevel, (line) => this.#lines.add(line));
    const host = {
      log,
      version: packageVersion(),
      variables,
      stop: this.#stop.promise,
      onReload: (listener: () => void) => void (this.#reload = listener),
      prepareNewLedger: async () => {},
    };
    this.#ended = serve(settings, host).finally(() => log.end());
    // Its end does not matter here: a test that cares awaits it.
    onTestFinished(() => this.stop().then(ignore, ignore));
  }

  /** Resolves to the first line with this message, past or future; rejects when the server ends without it. */
  line(message: string | RegExp): Promise<LogLine> {
    const ended = this.exit().then((end) => `ended with ${end} before it logged ${message}: ${this.said()}`);
    return this.#lines.first(message, ended);
  }

  /** Resolves to its gRPC address when it serves. */
  async serving(): Promise<string> {
    return String((await this.line('serving'))['grpc']);
  }

  /** Resolves to what the process would exit with. */
  exit(): Promise<number> {
    return this.#ended;
  }

  /** Asks it to stop and resolves to the exit code. */
  stop(): Promise<number> {
    this.#stop.resolve('the test');
    return this.exit();
  }

  /** Asks it to read its files again, as SIGHUP does. */
  reload(): void {
    this.#reload?.();
  }

  /** Everything it printed, for the message of a failing test. */
  said(): string {
    return this.log.map((line) => JSON.stringify(line)).join('\n');
  }
}

/** A server in this process, unless its options are those of a process. */
export function newServer(ledger: string, options: ServeOptions = {}): LocalServer | ServerProcess {
  const needsProcess = Object.keys(options).some((name) => name !== 'args');
  return needsProcess ? new ServerProcess(ledger, options) : new LocalServer(ledger, options);
}

function ignore(): void {}

function readSettings(args: readonly string[]): ServeSettings {
  const given = new Map<string, string>();
  for (const [i, arg] of args.entries()) {
    if (!arg.startsWith('--')) continue;
    const [flag = '', value = args[i + 1]] = arg.split('=');
    given.set(flag, value?.startsWith('--') ? 'true' : (value ?? 'true'));
  }
  const settings = Object.entries(SERVE_SETTINGS).map(([name, setting]) => {
    const [flag = ''] = setting.flag.split(' ');
    const text = given.get(flag) ?? (DEFAULTS as Readonly<Record<string, string>>)[name] ?? setting.default;
    given.delete(flag);
    return [name, setting.parse(text)] as const;
  });
  if (given.size > 0) throw new Error(`no setting: ${[...given.keys()].join(', ')}`);
  return Object.fromEntries(settings) as unknown as ServeSettings;
}
