import type { TestLedger } from '../support/engine-suite.ts';
import { engineSuite } from '../support/engine-suite.ts';
import { MemoryDisk, MemoryLedger } from '../support/memory-ledger.ts';

// What the tests of the core rest on numbers as the real engines do.
engineSuite('memory ledger', (): TestLedger => {
  const disk = new MemoryDisk();
  return {
    async open({ lastOrderId, lastNumber, lastCreateTimeMs } = {}) {
      if (lastOrderId !== undefined) disk.lastOrderId = lastOrderId;
      if (lastNumber) disk.lastNumbers.set(lastNumber.storeId, lastNumber.lastNumber);
      if (lastCreateTimeMs !== undefined) disk.lastCreateTimeMs = lastCreateTimeMs;
      return new MemoryLedger(disk);
    },
  };
});
