import type { StandIns } from '../../seeded/loading/hooks.ts';

const here = (path: string) => new URL(path, import.meta.url);

/** What the engine and the core are loaded with, wherever they import it. */
export const STAND_INS: StandIns = {
  '@aws-sdk/client-dynamodb': here('commands.ts'),
  'node:timers/promises': here('../../seeded/loading/seeded-timers.ts'),
  'node:crypto': here('../../seeded/loading/seeded-crypto.ts'),
};
