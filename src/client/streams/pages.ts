import { stoppable } from '../iteration.ts';

/** One page of a list. */
interface ListPage<T> {
  readonly items: readonly T[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** The items of all pages, which are fetched one by one as they are needed. */
export function pages<T>(
  fetchPage: (pageToken: string, returned: AbortSignal) => Promise<ListPage<T>>,
): AsyncIterableIterator<T> {
  return stoppable(async function* (returned) {
    let pageToken = '';
    do {
      const page = await fetchPage(pageToken, returned);
      yield* page.items;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  });
}
