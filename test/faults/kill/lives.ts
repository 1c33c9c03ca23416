import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Patch } from '../../support/patched-modules.ts';
import { patchedBy } from '../../support/patched-modules.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';
import type { Broken } from './server/broken-sqlite.ts';
import type { BackupPoint, ServerPoint } from './server/points.ts';
import { variablesOf } from './server/points.ts';
import type { CallPoint } from './server/shim.ts';
import { shimVariables } from './server/shim.ts';

const BROKEN = new URL('server/broken-sqlite.ts', import.meta.url).pathname;
const POINTS = new URL('server/sqlite-points.ts', import.meta.url).pathname;
const MAIN = new URL('server/main.ts', import.meta.url).pathname;
/** What kills a process that passes points, before its own program. */
export const WITH_POINTS = ['--import', POINTS] as const;
/** A server that does not reach its point within this many answers is killed anyway. */
const PATIENCE_ANSWERS = 5_000;
/** So that a backup has some pages to copy. */
const ANSWERS_BEFORE_BACKUP = 300;

/**
 * How the life of a server ends: it kills itself at a point or a system call, or is killed after some answers, or when a
 * backup is at a point, which may kill the backup instead.
 */
export type End =
  | { readonly at: 'a point'; readonly point: ServerPoint; readonly nth: number }
  | { readonly at: 'a system call'; readonly point: CallPoint; readonly nth: number; readonly library: string }
  | { readonly at: 'a random instant'; readonly answers: number; readonly ms: number }
  | {
      readonly at: 'a backup';
      readonly point: BackupPoint;
      readonly nth: number;
      readonly victim: 'the server' | 'the backup';
    };

/** What a life needs of its callers. */
interface Answers {
  /** Resolves after this many more answers. */
  answers(count: number): Promise<unknown>;
}

export interface LivesOptions {
  readonly folder: string;
  /** The value of --ledger. */
  readonly ledger: string;
  /** Where every life listens. */
  readonly address: string;
  /** Flags of `order-numbers serve`, for lives that end at a system call or a random instant. */
  readonly serveFlags?: readonly string[];
  readonly broken?: Broken | undefined;
  /** Changes of the source, for all lives but the last, and for backups. */
  readonly patches?: readonly Patch[];
  /** A backup that began then is in its place. */
  readonly onBackup?: (copy: string, startMs: number) => void;
}

/** The servers of one ledger, one after the other. */
export class Lives {
  readonly #options: LivesOptions;
  /** The file that a process tells which point it dies at. */
  readonly #hits: string;

  constructor(options: LivesOptions) {
    this.#options = options;
    this.#hits = join(options.folder, 'hits');
  }

  /** Runs a server until it is killed. Resolves to whether that was where it should be. */
  async live(end: End, load: Answers): Promise<boolean> {
    rmSync(this.#hits, { force: true });
    const server = this.#start(end);
    const killed = server.exit().then((by) => {
      if (by !== 'SIGKILL') throw new Error(`a server ended with ${by}: ${server.said()}`);
    });
    // Reported below.
    killed.catch(() => {});
    if (end.at === 'a random instant') {
      await Promise.race([load.answers(end.answers), killed]);
      await pause(end.ms);
    } else if (end.at === 'a backup') {
      await Promise.race([load.answers(ANSWERS_BEFORE_BACKUP), killed]);
      await this.#backup(end, server);
    } else {
      await Promise.race([killed, load.answers(PATIENCE_ANSWERS)]);
    }
    server.child.kill('SIGKILL');
    await killed;
    // What was answered and not committed is missed by the mark, too: the next server would refuse to start.
    if (this.#options.broken === 'replies before the commit') rmSync(`${this.#options.ledger}.mark`);
    return end.at === 'a random instant' || this.#isHit(end.point);
  }

  /** The last server, which nothing kills. */
  async last(): Promise<ServerProcess | LocalServer> {
    const { ledger, broken } = this.#options;
    // Only one of them leaves behind what no other server can serve.
    const isBroken = broken === 'replays without a lookup';
    const server = isBroken ? this.#start(undefined) : new LocalServer(ledger, { args: this.#serveArgs });
    await server.serving();
    return server;
  }

  /** Whether a process has killed at this point since the life began. */
  #isHit(point: string): boolean {
    return existsSync(this.#hits) && readFileSync(this.#hits, 'utf8').split('\n').includes(point);
  }

  /** A backup that kills. It ends with a whole copy, or without any. */
  async #backup({ point, nth, victim }: End & { readonly at: 'a backup' }, server: ServerProcess): Promise<void> {
    const { folder, ledger, onBackup, patches = [] } = this.#options;
    const copy = join(folder, 'backup-killed.db');
    const kill = { point, nth, hits: this.#hits, victim: victim === 'the server' ? server.child.pid : undefined };
    const startMs = performance.now();
    const { exitCode, stderr } = await orderNumbers(['backup', '--force', '--ledger', ledger, copy], {
      nodeArgs: WITH_POINTS,
      env: { ...variablesOf(kill), ...(patches.length > 0 && patchedBy(patches)) },
    });
    const isKilled = victim === 'the backup' && this.#isHit(point);
    if (exitCode !== (isKilled ? null : 0)) throw new Error(`a backup ended with ${exitCode}: ${stderr}`);
    if (!isKilled) onBackup?.(copy, startMs);
    else if (existsSync(copy)) throw new Error(`a backup that was killed ${point} is there`);
    rmSync(copy, { force: true });
  }

  #start(end: End | undefined): ServerProcess {
    const { ledger, address, broken, patches = [] } = this.#options;
    const env: Record<string, string> = {
      ...killOf(end, this.#hits),
      ...(broken !== undefined && { BROKEN: broken }),
      ...(end && patches.length > 0 && patchedBy(patches)),
    };
    if (end?.at === 'a point' || 'FREQUENT_CHECKPOINTS' in env || broken !== undefined) {
      const program = [...(broken === undefined ? [] : ['--import', BROKEN]), ...WITH_POINTS, MAIN];
      return new ServerProcess(ledger, { program, args: ['--grpc-listen', address], env });
    }
    return new ServerProcess(ledger, { args: this.#serveArgs, env });
  }

  get #serveArgs(): readonly string[] {
    const { address, serveFlags = [] } = this.#options;
    return ['--grpc-listen', address, '--http-listen', 'off', '--metrics-listen', 'off', ...serveFlags];
  }
}

/** The variables of a server that kills itself. */
function killOf(end: End | undefined, hits: string): Record<string, string> {
  if (end?.at === 'a point') return variablesOf({ ...end, hits });
  return end?.at === 'a system call' ? shimVariables(end.library, end.point, end.nth, hits) : {};
}
