import type { Allocated } from './check-answers.ts';
import type { Findings } from './findings.ts';
import { nameOf } from './history.ts';
import { textOf } from './pair.ts';

/** P3: of two requests that did not overlap, the later has the higher pair. A sweep over starts and ends. */
export function checkOrder(allocated: readonly Allocated[], findings: Findings): void {
  const byStart = allocated.toSorted((a, b) => a.startMs - b.startMs);
  const byEnd = allocated.toSorted((a, b) => a.endMs - b.endMs);
  const highestOfStore = new Map<bigint, Allocated>();
  let highest: Allocated | undefined;
  let ended = 0;
  for (const later of byStart) {
    for (let before = byEnd[ended]; before && before.endMs < later.startMs; before = byEnd[++ended]) {
      if (!highest || before.pair.orderId > highest.pair.orderId) highest = before;
      const ofStore = highestOfStore.get(before.pair.storeId);
      if (!ofStore || before.pair.orderNumber > ofStore.pair.orderNumber) {
        highestOfStore.set(before.pair.storeId, before);
      }
    }
    const ofStore = highestOfStore.get(later.pair.storeId);
    if (highest && later.pair.orderId < highest.pair.orderId) findings.add(inversion(later, highest));
    else if (ofStore && later.pair.orderNumber < ofStore.pair.orderNumber) findings.add(inversion(later, ofStore));
  }
}

function inversion(later: Allocated, earlier: Allocated): string {
  return `${nameOf(later.call)} began after ${nameOf(earlier.call)} was answered ${textOf(earlier.pair)}, and got ${textOf(later.pair)}`;
}
