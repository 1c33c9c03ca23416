import { Losses } from './declared-losses.ts';
import type { VerifyEvent, VerifyProgress } from './events.ts';
import { checkRequestIdIndex, faultyIndex, repeatedRequestId } from './index-check.ts';
import { checkRowsAbove, AllRowsCheck } from './all-rows-check.ts';
import { CountersCheck } from './counters-check.ts';
import { OneStoreCheck } from './one-store-check.ts';
import type { Indexes, VerifySource } from './verify-source.ts';

/** Events page by page: a step per row or per store would cost more than the checks. */
type Pages = AsyncGenerator<readonly VerifyEvent[], void>;

/** Reads a ledger up to its end, or one store of it, and reports what it finds; the verdict comes last. */
export async function* verifyLedger(source: VerifySource, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  for await (const events of verifyInPages(source, storeId)) yield* events;
}

/** The same, page by page; a page may be empty. */
export async function* verifyInPages(source: VerifySource, storeId: bigint | undefined): Pages {
  const losses = new Losses(await source.declaredLosses(), storeId);
  yield [...losses.events()];
  let [rows, sequences, findings] = [0n, 0n, 0n];
  const pages = storeId === undefined ? readEverything(source, losses) : readOneStore(source, losses, storeId);
  for await (const events of pages) {
    for (const event of events) {
      if (event.kind === 'progress') rows = event.rowsRead;
      if (event.kind === 'sequence') sequences++;
      if (event.kind === 'finding') findings++;
    }
    yield events;
  }
  yield [{ kind: 'verdict', asOfOrderId: source.ledger.end, rows, sequences, findings, ok: findings === 0n }];
}

async function* readEverything(source: VerifySource, losses: Losses): Pages {
  const { firstOrderId, end } = source.ledger;
  yield [...checkRowsAbove(source.ledger)];
  const indexes = await source.indexes();
  yield indexes.faults.map((fault) => faultyIndex(fault, end));
  const pass = new AllRowsCheck(firstOrderId, end);
  for await (const rows of source.allocations()) {
    for (const row of rows) pass.add(row);
    yield [...pass.takeFindings(losses), pass.progress(rows.at(-1)!.orderId)];
  }
  yield [...pass.finish(losses)];
  yield (source.indexFaults?.() ?? []).map((fault) => faultyIndex(fault, end));
  yield* readStores(source, losses, pass, indexes);
  if (indexes.byRequestId) yield* readRequestIds(source, pass);
  yield [pass.progress(end)];
}

/** The numbers and the counter of every store, in store_id order. */
async function* readStores(source: VerifySource, losses: Losses, pass: AllRowsCheck, indexes: Indexes): Pages {
  const { end } = source.ledger;
  const check = new CountersCheck(losses, pass.stores);
  if (indexes.byOrderNumber) {
    for await (const stores of source.orderNumberEntries()) {
      for (const entries of stores) yield [...check.addEntries(entries)];
      yield [pass.progress(end)];
    }
  }
  for await (const stores of source.stores(indexes)) {
    let found: VerifyEvent[] = [];
    for (const store of stores) {
      found.push(...check.counter(store));
      if (check.mustBeRead(store)) {
        yield found;
        found = [];
        yield* readRows(source, losses, new OneStoreCheck(store, false), () => pass.progress(end));
      } else found.push(...check.summary(store));
      if (indexes.byOrderNumber) found.push(...check.index(store));
    }
    yield [...found, pass.progress(end)];
  }
  yield [...check.finish()];
}

/** One store alone, by its numbers. */
async function* readOneStore(source: VerifySource, losses: Losses, storeId: bigint): Pages {
  const { end } = source.ledger;
  const check = new CountersCheck(losses);
  const { lastNumber, counter } = await source.store(storeId);
  if (lastNumber !== undefined) check.sawRows(storeId, lastNumber);
  const reading = counter && new OneStoreCheck(counter, true);
  if (reading) {
    yield [...check.counter(counter)];
    yield* readRows(source, losses, reading, () => reading.progress(end));
  }
  yield [...check.finish(), { kind: 'progress', rowsRead: reading?.rows ?? 0n, orderId: end, endOrderId: end }];
}

/** Names what is wrong with the numbers of a store; `progress` says how far the pages before have come. */
async function* readRows(
  source: VerifySource,
  losses: Losses,
  reading: OneStoreCheck,
  progress: () => VerifyProgress,
): Pages {
  for await (const rows of source.storeRows(reading.storeId)) {
    if (reading.rows > 0n) yield [progress()];
    for (const row of rows) if (row.orderId <= source.ledger.end) reading.add(row);
    yield [...reading.takeFindings(losses)];
  }
  yield [...reading.finish(losses)];
}

/** Every (store_id, request_id) has one row, and its index leads there. */
async function* readRequestIds(source: VerifySource, pass: AllRowsCheck): Pages {
  const { end } = source.ledger;
  const counted = { entries: 0n, misplaced: 0n };
  for await (const { repeated, entries, misplaced = 0n } of source.requestIds()) {
    counted.entries += entries;
    counted.misplaced += misplaced;
    yield [...repeated.map(repeatedRequestId), pass.progress(end)];
  }
  yield [...checkRequestIdIndex(counted, pass.rows, end)];
}
