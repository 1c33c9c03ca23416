import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { HighWaterMark, readBase, readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { printText, textsOf } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateText } from '../mutate/text.ts';

const WORDS = [
  'order-numbers-mark-1',
  'order-numbers-base-1',
  ' ledger_id=',
  ' last_order_id=',
  ' crc32=',
  ' sequence=',
];
const SEALED = /(order-numbers-(?:mark|base)-1[^\n]*?) crc32=[0-9a-f]{0,8}/g;

/** The text of a mark file, mostly with checksums that are right: a wrong one ends every check. */
export function markFileTarget(folder: string): FuzzTarget<string> {
  const path = join(folder, 'fuzzed.mark');
  const again = join(folder, 'again.mark');
  return {
    name: 'mark file',
    seeds: textsOf('mark-file-text'),
    mutate(input, other, random) {
      const text = mutateText(input, other, random, WORDS);
      return random.chance(0.8) ? text.replaceAll(SEALED, (_, body: string) => sealed(body)) : text;
    },
    print: (input) => `- ${printText(input)}`,
    check(input) {
      writeFileSync(path, input, 'latin1');
      const mark = readMark(path);
      const base = readBase(path);
      if (mark === undefined) throw new Error('a file that is there has no mark');
      if (mark === 'torn') return base ? 'torn, with a base' : 'torn';
      const [line] = readFileSync(path, 'latin1').split('\n');
      const body = `order-numbers-mark-1 ledger_id=${mark.ledgerId} last_order_id=${String(mark.lastOrderId).padStart(19, '0')}`;
      if (line !== sealed(body)) throw new Error('it has another mark than its first line');
      new HighWaterMark(again, mark, base).close();
      if (!isDeepStrictEqual([readMark(again), readBase(again)], [mark, base])) {
        throw new Error('it is another mark when it is written again');
      }
      return base ? 'a mark with a base' : 'a mark';
    },
  };
}

function sealed(body: string): string {
  return `${body} crc32=${crc32(body).toString(16).padStart(8, '0')}`;
}
