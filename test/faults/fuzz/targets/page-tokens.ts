import { OrderError } from '../../../../src/core/errors.ts';
import type { PagedList } from '../../../../src/core/reading/paging.ts';
import { readPage } from '../../../../src/core/reading/paging.ts';
import { printText, textsOf } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateText } from '../mutate/text.ts';

const LEDGERS = ['7d1c1c5e-6a1f-4f5e-9b9a-0d9f1a2b3c4d', '0b0e3f9a-6c1d-4f0e-9a51-6a3f5c1f7d22'];
const LISTS = LEDGERS.flatMap((ledger) => ['', '7', '8'].map((filter) => listOf(filter, ledger)));
const WORDS = ['AQ', '=', '==', '-', '_', '+', '/', 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'];

/** Tokens for the next page of a list. A list takes those that it has given itself, and no other text. */
export async function pageTokenTarget(): Promise<FuzzTarget<string>> {
  const given = await Promise.all(LISTS.map(tokensOf));
  return {
    name: 'page token',
    seeds: [...textsOf('page-tokens'), ...given.flat()],
    mutate: (input, other, random) => mutateText(input, other, random, WORDS),
    print: (input) => `- ${printText(input)}`,
    async check(input) {
      const taken = [];
      for (const [i, list] of LISTS.entries()) {
        const isTaken = await takes(list, input);
        if (isTaken !== (input === '' || given[i]!.includes(input)))
          throw new Error('a list takes what it did not give');
        taken.push(isTaken);
      }
      return `taken by ${taken.filter(Boolean).length}`;
    },
  };
}

/** The items of a list are the numbers from 1 to 90. */
function listOf(filter: string, ledger: string): PagedList<bigint> {
  return {
    name: ['ListAllocations', filter, ledger],
    whole: { after: 0n, end: 90n },
    limit: 10,
    read: async ({ after, end }) => {
      const all = Array.from({ length: 10 }, (_, i) => after + BigInt(i) + 1n);
      return all.filter((item) => item <= end);
    },
    restOf: ({ end }, last) => ({ after: last, end }),
  };
}

async function tokensOf(list: PagedList<bigint>): Promise<readonly string[]> {
  const tokens: string[] = [];
  for (let token = ''; ;) {
    token = (await readPage(list, token)).nextPageToken;
    if (token === '') return tokens;
    tokens.push(token);
  }
}

async function takes(list: PagedList<bigint>, token: string): Promise<boolean> {
  try {
    await readPage(list, token);
    return true;
  } catch (error) {
    if (error instanceof OrderError && error.reason === 'PAGE_TOKEN_INVALID') return false;
    throw error;
  }
}
