import { engineSuite } from '../../../support/engines/engine-suite.ts';
import { newStore } from '../../../support/engines/memory-ledger.ts';
import { IndexedDisk } from './indexed-disk.ts';
import { SimulatedLedger } from './simulated-ledger.ts';

engineSuite('the model of the simulator', (autoCreateStores) => {
  const disk = new IndexedDisk();
  return {
    async open({ lastOrderId, lastNumber, lastCreateTimeMs } = {}) {
      disk.lastOrderId = lastOrderId ?? disk.lastOrderId;
      disk.lastCreateTimeMs = lastCreateTimeMs ?? disk.lastCreateTimeMs;
      if (lastNumber) disk.stores.set(lastNumber.storeId, { ...newStore(lastNumber.storeId, 0), ...lastNumber });
      return new SimulatedLedger(disk, autoCreateStores);
    },
  };
});
