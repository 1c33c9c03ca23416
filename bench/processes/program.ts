import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { endChild, startChild } from './child-process.ts';

/** A program in bench/programs/ that answers questions one at a time, in a process of its own. */
export class Program<Question extends object, Answer> {
  readonly #child: ChildProcess;
  readonly #said: string[] = [];

  constructor(file: string, ...args: readonly string[]) {
    this.#child = startChild(process.execPath, [`bench/programs/${file}`, ...args], 'ipc');
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => this.#said.push(chunk.toString()));
  }

  /** Rejects if the program ends, or answers with a failure. */
  async ask(question: Question): Promise<Answer> {
    if (this.#child.exitCode !== null) throw this.#gone();
    const ended = new AbortController();
    const gone = once(this.#child, 'close', { signal: ended.signal }).then(() => {
      throw this.#gone();
    });
    gone.catch(() => {});
    try {
      const answered = once(this.#child, 'message', { signal: ended.signal }) as Promise<[Answered<Answer>]>;
      answered.catch(() => {});
      // A program that has ended takes none, which `gone` tells.
      this.#child.send(question, () => {});
      const [answer] = await Promise.race([answered, gone]);
      if ('failed' in answer) throw new Error(answer.failed);
      return answer.result;
    } finally {
      ended.abort();
    }
  }

  #gone(): Error {
    return new Error(`a program of the bench ended: ${this.#said.join('').trim()}`);
  }

  async end(): Promise<void> {
    await endChild(this.#child, 'SIGKILL');
  }
}

type Answered<Answer> = { readonly result: Answer } | { readonly failed: string };

/** For the program itself: answers each question that the bench asks. */
export function answerQuestions<Question, Answer>(answer: (question: Question) => Promise<Answer>): void {
  process.on('message', (question) => {
    answer(question as Question).then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ failed: error instanceof Error ? error.message : String(error) }),
    );
  });
}
