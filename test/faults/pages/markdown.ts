import * as prettier from 'prettier';

/** A table of Markdown, whose cells are Markdown already. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Text in a table, without what Markdown would make of it. */
export function cell(text: string): string {
  return text.replaceAll(/[|*_<>`[\]]/g, (mark) => `\\${mark}`);
}

export function number(value: number): string {
  return value.toLocaleString('en');
}

/** As prettier wants it in this file. */
export async function formatted(text: string, path: string): Promise<string> {
  const options = await prettier.resolveConfig(path);
  return (await prettier.format(text, { ...options, parser: 'markdown', proseWrap: 'always' })).trim();
}
