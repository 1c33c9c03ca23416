/** Files that are mutated together, and the tests that have to notice: those that run in one thread, without a server. */
export interface Room {
  readonly name: string;
  /** Globs, from the root. */
  readonly files: readonly string[];
  readonly tests: readonly string[];
  readonly needsPostgres?: boolean;
}

export const ROOMS: readonly Room[] = [
  {
    name: 'core',
    files: ['src/core/*.ts'],
    tests: ['test/core/*.test.ts', 'test/support/engines/memory-ledger.test.ts'],
  },
  {
    name: 'calls',
    files: ['src/core/calls/*.ts'],
    tests: ['test/core/calls/*.test.ts', 'test/core/allocator.test.ts'],
  },
  { name: 'move', files: ['src/core/move/*.ts'], tests: ['test/core/move/*.test.ts'] },
  { name: 'reading', files: ['src/core/reading/*.ts'], tests: ['test/core/reading/*.test.ts'] },
  { name: 'text', files: ['src/core/text/*.ts'], tests: ['test/core/text/*.test.ts'] },
  {
    name: 'verify',
    files: ['src/core/verify/*.ts'],
    tests: ['test/core/verify/{findings,indexes-and-losses}.test.ts'],
  },
  {
    name: 'sqlite',
    files: ['src/engines/sqlite/statements/*.ts'],
    tests: ['test/engines/sqlite/statements/*.test.ts'],
  },
  {
    name: 'postgres',
    files: ['src/engines/postgres/statements/*.ts'],
    tests: ['test/engines/postgres/statements/*.test.ts'],
    needsPostgres: true,
  },
];

/** The variable that tells vitest.config.ts the room. */
export const ROOM_VARIABLE = 'MUTATION_ROOM';

export function roomNamed(name: string | undefined): Room {
  const room = ROOMS.find((one) => one.name === name);
  if (!room) throw new Error(`no room is called ${name}; there are ${ROOMS.map((one) => one.name).join(', ')}`);
  return room;
}
