import type { SourceChange } from '../../seeded/loading/planted-bug.ts';

const ENGINE = 'src/engines/dynamodb/';

function probe(file: string, from: string, to: (tell: string) => string, branch: string): SourceChange {
  return { file: `${ENGINE}${file}`, from, to: to(`globalThis.probe(${JSON.stringify(branch)});`) };
}

/** What tells a run that the engine has taken a branch. */
export const PROBES: readonly SourceChange[] = [
  probe(
    'log/open-log.ts',
    'if (view.head.position < entry.position) this.#follow(winner);',
    (tell) => `if (view.head.position < entry.position) this.#follow(winner); else if (isWon) ${tell}`,
    'a reader saw the own batch first',
  ),
  probe(
    'log/open-log.ts',
    'if (write.isAbandoned()) throw',
    (tell) => `${tell} if (write.isAbandoned()) throw`,
    'a race was lost',
  ),
  probe(
    'log/open-log.ts',
    "throw new NoAnswer('the server stopped before the write was done');",
    (tell) => `{ ${tell} throw new NoAnswer('the server stopped before the write was done'); }`,
    'a put was given up with its log',
  ),
  probe(
    'log/open-log.ts',
    'if (pauseMs > 0) await',
    (tell) => `if (pauseMs > 0) ${tell} if (pauseMs > 0) await`,
    'a server left others room',
  ),
  probe(
    'index/indexer.ts',
    'if (!isWanted()) return false;',
    (tell) => `${tell} if (!isWanted()) return false;`,
    'the tail was full',
  ),
  probe(
    'index/indexer.ts',
    'if (!meta) return this.#readMark();',
    (tell) => `if (!meta) { ${tell} return this.#readMark(); }`,
    'another server raised the mark',
  ),
  probe(
    'index/indexer.ts',
    'if (!this.#isComplete(position)) await this.#write(position);',
    (tell) => `if (!this.#isComplete(position)) { ${tell} await this.#write(position); }`,
    'the items of another server were taken over',
  ),
  probe(
    'index/indexer.ts',
    'this.#onFailure(error);\n        await',
    (tell) => `${tell} this.#onFailure(error);\n        await`,
    'the items of an entry could not be written',
  ),
  probe(
    'log/numbering.ts',
    "if (outcome === 'no room') break;",
    (tell) => `if (outcome === 'no room') { ${tell} break; }`,
    'a batch was cut',
  ),
  probe(
    'log/ledger-view.ts',
    'const [oldest] = this.#stores.keys();',
    (tell) => `${tell} const [oldest] = this.#stores.keys();`,
    'a store was forgotten',
  ),
  probe(
    'log/log.ts',
    'if (this.#shown() !== log) throw',
    (tell) => `if (this.#open !== log) ${tell} if (this.#shown() !== log) throw`,
    'a log was opened again while it was read',
  ),
];
