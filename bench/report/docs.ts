import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as prettier from 'prettier';
import { plotsOf } from '../plots/plots.ts';
import { renderPlots } from '../plots/render.ts';
import { readmeFigures } from './readme-figures.ts';
import { circumstancesOf, KIND_NAMES, sectionsOf, targetsOf } from './report.ts';
import type { Measured, Result } from './result.ts';
import { targetsSection, toMarkdown } from './section.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const RESULTS = 'bench/results/*.json';
const BEGIN = '<!-- begin: written by make bench ARGS=--write-docs -->';
const END = '<!-- end -->';
/** The folder of the plots, beside the document. */
const PLOTS = 'benchmarks';

type Newest = ReadonlyMap<keyof Measured, Result>;

/** The documents, and what is written into each. */
const DOCUMENTS: Readonly<Record<string, (newest: Newest) => string>> = {
  'docs/benchmarks.md': figures,
  'README.md': readmeFigures,
};

/** Writes the newest figures of each kind into the documents, and the plots beside docs/benchmarks.md. */
export async function writeDocs(progress: (line: string) => void): Promise<void> {
  const newest = newestOf(globSync(RESULTS, { cwd: ROOT }).toSorted().map(readResult));
  const plots = await renderPlots([...newest].flatMap(([kind, result]) => plotsOf(kind, result)));
  mkdirSync(join(ROOT, 'docs', PLOTS), { recursive: true });
  for (const [file, svg] of plots) writeFileSync(join(ROOT, 'docs', PLOTS, file), svg);
  for (const [document, content] of Object.entries(DOCUMENTS)) {
    const path = join(ROOT, document);
    const options = { ...(await prettier.resolveConfig(path)), parser: 'markdown', proseWrap: 'always' } as const;
    const written = await prettier.format(content(newest), options);
    if (written !== '') writeFileSync(path, withFigures(readFileSync(path, 'utf8'), written.trim()));
  }
  progress(`written: ${[...newest.keys()].join(', ')}`);
}

/** The newest result that has each kind of measurement. A kind is absent if no result has it in a form that is known. */
export function newestOf(results: readonly Result[]): Newest {
  const newest = new Map<keyof Measured, Result>();
  for (const result of results.toSorted((a, b) => a.date.localeCompare(b.date))) {
    for (const kind of KIND_NAMES) if (result[kind] !== undefined && isReadable(kind, result)) newest.set(kind, result);
  }
  return newest;
}

/** All sections in Markdown, in the order of a report: each kind with the circumstances of its run, then all goals. */
export function figures(newest: Newest): string {
  const kinds = KIND_NAMES.filter((kind) => newest.has(kind));
  const targets = kinds.flatMap((kind) => targetsOf(kind, newest.get(kind)!));
  const parts = kinds.map((kind) => kindFigures(kind, newest.get(kind)!));
  return [...parts, ...(targets.length > 0 ? [toMarkdown(targetsSection(targets))] : [])].join('\n\n');
}

function kindFigures(kind: keyof Measured, result: Result): string {
  const plots = plotsOf(kind, result).map(({ file, title }) => `![${title}](${PLOTS}/${file})`);
  const [first, ...more] = sectionsOf(kind, result).map(toMarkdown);
  const [heading, ...rest] = first!.split('\n\n');
  return [heading, `\`${circumstancesOf(result)}\``, ...plots, ...rest, ...more].join('\n\n');
}

/** The text with `content` between its marks. Throws if it has no marks. */
export function withFigures(text: string, content: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new Error(`a document needs the lines "${BEGIN}" and "${END}" around its figures`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${content}\n\n${text.slice(end)}`;
}

function readResult(path: string): Result {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Result;
}

/** Results of earlier commits may have another form. */
function isReadable(kind: keyof Measured, result: Result): boolean {
  try {
    return sectionsOf(kind, result).length > 0 && result.commit !== undefined;
  } catch {
    return false;
  }
}
