import Database from 'better-sqlite3';
import type { LedgerFiles } from '../../../src/engines/sqlite/file/ledger-files.ts';

/** Bytes of a file, from the first up to and without the last. */
export type Range = readonly [from: number, to: number];

/** A part of the database. */
export interface Region {
  readonly name: string;
  readonly ranges: readonly Range[];
}

const HEADER_BYTES = 100;
const FREE_TRUNK = 32;

interface PageRow {
  readonly name: string;
  readonly pagetype: 'internal' | 'leaf' | 'overflow';
  readonly pageno: number;
}

/** The parts of a database in which a bit has a meaning: of a page those bytes that are in use. */
export function regionsOf(files: LedgerFiles, bytes: Buffer): readonly Region[] {
  const db = new Database(files.database, { readonly: true });
  const pages = db.prepare<[], PageRow>('SELECT name, pagetype, pageno FROM dbstat ORDER BY pageno').all();
  const pageBytes = Number(db.pragma('page_size', { simple: true }));
  db.close();
  const grouped = Map.groupBy(pages, ({ name, pagetype }) => `${name}, ${pagetype === 'leaf' ? 'leaf' : 'interior'}`);
  const used = new Set(pages.map(({ pageno }) => pageno));
  const free = Array.from({ length: bytes.length / pageBytes }, (_, i) => i + 1).filter((page) => !used.has(page));
  const trunk = bytes.readUInt32BE(FREE_TRUNK);
  const startOf = (page: number) => (page - 1) * pageBytes;
  return [
    { name: 'header', ranges: [[0, HEADER_BYTES]] },
    ...[...grouped].map(([name, group]) => ({
      name,
      ranges: group.flatMap(({ pageno }) =>
        usedBytes(bytes, startOf(pageno), pageno === 1 ? HEADER_BYTES : 0, pageBytes),
      ),
    })),
    { name: 'free list, trunk', ranges: [[startOf(trunk), startOf(trunk) + 8 + 4 * (free.length - 1)]] },
    {
      name: 'free list, leaf',
      ranges: free.filter((page) => page !== trunk).map((page) => [startOf(page), startOf(page) + pageBytes] as const),
    },
  ];
}

/** The header of a page of a tree with its pointers, and its cells (https://www.sqlite.org/fileformat2.html#b_tree_pages). */
function usedBytes(bytes: Buffer, start: number, before: number, pageBytes: number): readonly Range[] {
  const header = start + before;
  const isLeaf = (bytes[header]! & 8) !== 0;
  const cells = bytes.readUInt16BE(header + 3);
  const content = bytes.readUInt16BE(header + 5);
  const pointersEnd = header + (isLeaf ? 8 : 12) + 2 * cells;
  return cells === 0
    ? [[header, pointersEnd]]
    : [
        [header, pointersEnd],
        [start + content, start + pageBytes],
      ];
}
