import type { StandIns } from '../../seeded/loading/hooks.ts';

const here = (path: string) => new URL(path, import.meta.url);

/** What the client and the core are loaded with, by the file that imports a module and its name there. */
export const STAND_INS: StandIns = {
  'client/connection/connection.ts @grpc/grpc-js': here('../network/channel.ts'),
  'client/connection/connection.ts ./diagnosis.ts': here('diagnosis.ts'),
  'client/request-ids.ts node:crypto': here('../../seeded/loading/seeded-crypto.ts'),
  'core/allocation.ts node:crypto': here('../../seeded/loading/seeded-crypto.ts'),
};
