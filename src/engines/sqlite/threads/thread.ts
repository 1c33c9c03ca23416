import { getCompileCacheDir } from 'node:module';
import { basename, dirname, extname } from 'node:path';
import { parentPort, Worker } from 'node:worker_threads';

const FIRST_MODULE = new URL('./thread-start.js', import.meta.url);

/** The methods that a thread serves, by name. Arguments and results cross as structured clones. */
export type Methods = { readonly [name: string]: (argument: never) => unknown };

/** An error as it crosses threads. `code` is SQLite's or Node's, or empty. */
export interface ThreadError {
  readonly name: string;
  readonly message: string;
  readonly code: string;
}

interface Call {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: ThreadError;
}

/** A call that failed inside the thread, or whose thread is gone (code THREAD_DIED). */
export class ThreadFailure extends Error {
  override readonly name = 'ThreadFailure';
  /** The name of the error that was thrown in the thread. */
  readonly errorName: string;
  readonly code: string;

  constructor(error: ThreadError) {
    super(error.message);
    this.errorName = error.name;
    this.code = error.code;
  }
}

/** The module of a thread: it is beside this file and, like this file, source (.ts) or compiled (.js). */
export function threadModule(name: string): URL {
  return new URL(`./${name}${extname(import.meta.url)}`, import.meta.url);
}

/**
 * The near side of a worker thread that serves `M`, one call after the other, in the order of the calls. The first call
 * starts the thread, and so does the first call after it died; its memory is lost then.
 */
export class Thread<M extends Methods> {
  readonly #module: URL;
  readonly #data: unknown;
  #calls = new Map<number, PromiseWithResolvers<never>>();
  #worker: Worker | undefined;
  #nextId = 0;

  /** Does not start the thread yet. `data` is its workerData. */
  constructor(module: URL, data: unknown) {
    this.#module = module;
    this.#data = data;
  }

  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  call<K extends keyof M & string>(method: K, argument: Parameters<M[K]>[0]): Promise<Awaited<ReturnType<M[K]>>> {
    const call = Promise.withResolvers<never>();
    try {
      this.#worker ??= this.#start();
    } catch (error) {
      // The system lacks a descriptor or memory for it.
      call.reject(died(error));
      return call.promise;
    }
    const id = this.#nextId++;
    this.#calls.set(id, call);
    this.#worker.postMessage({ id, method, argument } satisfies Call);
    return call.promise;
  }

  /** Ends the thread without waiting for calls under way; they fail. */
  async terminate(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const cache = getCompileCacheDir();
    // Its last part is the version of Node.js, which Node.js appends again.
    const argv = [this.#module.href, ...(cache === undefined ? [] : [dirname(cache)])];
    // The name that top and ps show.
    const name = basename(this.#module.pathname, extname(this.#module.pathname));
    const worker = new Worker(FIRST_MODULE, { workerData: this.#data, argv, name });
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (error) => this.#bury(worker, error));
    worker.on('exit', () => this.#bury(worker, 'it ended'));
    return worker;
  }

  #settle({ id, result, error }: Answer): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    // An old Map would keep alive every call that it once held: see RotatingMap in the core.
    if (this.#calls.size === 0) this.#calls = new Map();
    if (error) call?.reject(new ThreadFailure(error));
    else call?.resolve(result as never);
  }

  #bury(worker: Worker, why: unknown): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    const failure = died(why);
    for (const call of this.#calls.values()) call.reject(failure);
    this.#calls.clear();
  }
}

function died(why: unknown): ThreadFailure {
  const message = `a thread of the ledger died: ${(why instanceof Error && why.message) || String(why)}`;
  return new ThreadFailure({ name: 'Error', message, code: 'THREAD_DIED' });
}

/**
 * The far side: serves `methods` until the thread is terminated. Each call is answered before the next one begins,
 * unless its method returns a promise: then it is answered when that settles.
 */
export function serveThread(methods: Methods): void {
  parentPort?.on('message', ({ id, method, argument }: Call) => {
    let result: unknown;
    try {
      result = methods[method]?.(argument as never);
    } catch (error) {
      send({ id, error: describe(error) });
      return;
    }
    if (result instanceof Promise) void answerLater(id, result);
    else send({ id, result });
  });
}

async function answerLater(id: number, result: Promise<unknown>): Promise<void> {
  try {
    send({ id, result: await result });
  } catch (error) {
    send({ id, error: describe(error) });
  }
}

function send(answer: Answer): void {
  parentPort?.postMessage(answer);
}

function describe(error: unknown): ThreadError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), code: '' };
  const code = 'code' in error ? String(error.code) : '';
  return { name: error.name, message: error.message, code };
}
