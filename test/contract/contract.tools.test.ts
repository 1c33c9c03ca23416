import { expect, it } from 'vitest';
import { batchFaultsSuite } from './batch-faults-suite.ts';
import { contractFaultsSuite } from './contract-faults-suite.ts';
import { callEachMethod, grpcurl, METHOD_NAMES } from './contract-methods.ts';
import { ENGINES } from '../support/engines/engines.ts';
import { requireTools } from '../support/required-tool.ts';
import { SQLITE } from '../support/engines/sqlite-engine.ts';

contractFaultsSuite(SQLITE);
batchFaultsSuite(SQLITE);

it.for(ENGINES)('grpcurl is served each RPC, and no other, on $name', async (engine, test) => {
  requireTools(test, 'grpcurl');
  expect(await callEachMethod(await engine.newLedger(), grpcurl)).toEqual(METHOD_NAMES);
});
