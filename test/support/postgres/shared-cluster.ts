import type { TestProject } from 'vitest/node';
import { PostgresCluster, TEMPLATE_VARIABLE } from './cluster/cluster.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The port of the shared cluster, or why there is none: a failure of the tests that need it, and of no other. */
    readonly postgres: number | string;
  }
}

/** Vitest's globalSetup: one PostgreSQL for a whole run of the tests; each takes a database of it (database.ts). */
export default async function startSharedCluster(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  try {
    process.env[TEMPLATE_VARIABLE] ??= await PostgresCluster.makeTemplate();
    const cluster = await PostgresCluster.start({
      // Every test file that runs at the same time has pools of connections.
      settings: { max_connections: '400' },
    });
    project.provide('postgres', cluster.port);
    return () => cluster.close();
  } catch (error) {
    project.provide('postgres', `PostgreSQL did not start: ${String(error)}`);
    return undefined;
  }
}
