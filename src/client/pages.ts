import { stoppable } from './iteration.ts';

/** A page as the server gives it. */
interface ListPage<T> {
  readonly items: readonly T[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** Everything on all pages, fetched one by one as they are needed. */
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
