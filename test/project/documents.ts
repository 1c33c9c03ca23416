import { globSync, readFileSync } from 'node:fs';

export const ROOT = new URL('../..', import.meta.url).pathname;

/** A text for people. */
export interface Document {
  /** As from the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** The README and everything in docs/. */
export const DOCUMENTS: readonly Document[] = ['README.md', ...globSync('docs/*.md', { cwd: ROOT }).toSorted()].map(
  documentAt,
);

export function documentAt(path: string): Document {
  return { path, text: readFileSync(`${ROOT}${path}`, 'utf8') };
}

/** The cells of each row of its tables, without backticks; the first is what comes before the first bar, so nothing. */
export function tableRows({ text }: Document): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.replaceAll('`', '').trim()));
}

/** The lines of its blocks in one language, without blank ones and comments of a shell; of one section, if it is named. */
export function blockLines({ text }: Document, language: string, heading?: string): string[] {
  const section = heading === undefined ? text : text.slice(text.indexOf(`${heading}\n`)).split(/\n## /)[0]!;
  const blocks = [...section.matchAll(/^( *)```(\w+)\n([^]*?)\n\1```$/gm)].filter((match) => match[2] === language);
  const lines = blocks.flatMap((match) => match[3]!.split('\n')).map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

/** The targets of its links, except those to other sites. */
export function links({ text }: Document): string[] {
  return [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((to) => !to.includes(':'));
}

/** The link targets inside it: its headings, as Git hosts name them. */
export function anchors({ text }: Document): ReadonlySet<string> {
  const headings = [...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The files and folders of this repository that it names; what npm installs is not of the repository. */
export function paths({ text }: Document): string[] {
  const named = text.matchAll(/(?<![\w./-])(?:src|test|bench|ops|proto|docs|examples)\/[\w./-]*\w\/?(?![\w*/])/g);
  return [...new Set([...named].map((match) => match[0]))].filter((path) => !path.includes('/node_modules'));
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^( *)```\w*\n[^]*?\n\1```$/gm, '');
}
