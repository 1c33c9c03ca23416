import type { TestLedger } from './engine-suite.ts';
import { engineSuite } from './engine-suite.ts';
import { MemoryDisk, MemoryLedger, newStore } from './memory-ledger.ts';

// What the tests of the core rest on numbers as the real engines do.
engineSuite('memory ledger', (autoCreateStores): TestLedger => {
  const disk = new MemoryDisk();
  return {
    async open({ lastOrderId, lastNumber, lastCreateTimeMs } = {}) {
      if (lastOrderId !== undefined) disk.lastOrderId = lastOrderId;
      if (lastNumber) disk.stores.set(lastNumber.storeId, { ...newStore(lastNumber.storeId, 0), ...lastNumber });
      if (lastCreateTimeMs !== undefined) disk.lastCreateTimeMs = lastCreateTimeMs;
      return new MemoryLedger(disk, autoCreateStores);
    },
  };
});
