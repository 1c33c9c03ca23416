import type { FuzzTarget } from '../fuzzer.ts';
import { connectTargets } from './connect-json.ts';
import { csvTarget, dynamodbTarget } from './import-files.ts';
import { markFileTarget } from './mark-file-text.ts';
import { BATCH_BODY, ORDER_BODY } from './order-bodies.ts';
import { pageTokenTarget } from './page-tokens.ts';
import { protobufTargets } from './protobuf-requests.ts';
import { LEDGER_LOCATION, SETTING_VALUE } from './setting-values.ts';
import { TOKEN_FILE_TEXT } from './token-file-text.ts';

/** A target, whatever its inputs are, and the part of a run's inputs that it gets. */
export interface WeightedTarget {
  readonly target: FuzzTarget<never>;
  readonly weight: number;
}

/** Everything that is fuzzed inside the process. `folder` is for files. Those that need files are slower, and get less. */
export async function allTargets(folder: string): Promise<readonly WeightedTarget[]> {
  return [
    ...weighted(4, ...(protobufTargets() as FuzzTarget<never>[])),
    ...weighted(4, ...(connectTargets() as FuzzTarget<never>[])),
    ...weighted(8, ORDER_BODY as FuzzTarget<never>, BATCH_BODY as FuzzTarget<never>),
    ...weighted(6, TOKEN_FILE_TEXT as FuzzTarget<never>, SETTING_VALUE as FuzzTarget<never>),
    ...weighted(6, LEDGER_LOCATION as FuzzTarget<never>, (await pageTokenTarget()) as FuzzTarget<never>),
    ...weighted(2, markFileTarget(folder) as FuzzTarget<never>),
    ...weighted(1, csvTarget(folder) as FuzzTarget<never>, dynamodbTarget(folder) as FuzzTarget<never>),
  ];
}

function weighted(weight: number, ...targets: readonly FuzzTarget<never>[]): readonly WeightedTarget[] {
  return targets.map((target) => ({ target, weight }));
}
