import { readFileSync } from 'node:fs';

/**
 * The inputs in a file of the corpus, one per line: text as a JSON string, bytes in hex. What is before the first space
 * names the input, or the method that it is for; lines that begin with # are comments.
 */
export interface CorpusLine {
  readonly name: string;
  readonly value: string;
}

export function corpusOf(file: string): readonly CorpusLine[] {
  const text = readFileSync(new URL(`corpus/${file}.txt`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const space = line.indexOf(' ');
      return { name: line.slice(0, space), value: line.slice(space + 1) };
    });
}

export function textsOf(file: string): readonly string[] {
  return corpusOf(file).map(({ value }) => JSON.parse(value) as string);
}

export function bytesOf(file: string): readonly Buffer[] {
  return corpusOf(file).map(({ value }) => Buffer.from(value, 'hex'));
}

export function printText(text: string): string {
  return JSON.stringify(text);
}

export function printBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
