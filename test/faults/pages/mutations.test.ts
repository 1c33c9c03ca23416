import { describe, expect, it } from 'vitest';
import type { RoomRecord } from '../mutation/room-record.ts';
import { readRoomRecords } from '../mutation/room-record.ts';
import { ROOMS } from '../mutation/rooms.ts';
import { mutationsOf } from './mutations.ts';

describe('the table of mutations', () => {
  const CORE: RoomRecord = {
    room: 'core',
    mutants: 1200,
    killed: 1100,
    timedOut: 50,
    survived: 50,
    score: 95.8,
    date: '2026-11-27',
    commit: '0123456789',
    command: 'make test-mutations ARGS=core',
  };

  it('has the last run of each room, their sum, and the rooms of which there is none', () => {
    const text = mutationsOf([{ ...CORE, room: 'text', mutants: 100, killed: 50 }, CORE], ROOMS);
    expect(text).toContain('noticed 1,250 of 1,300 mutants, 96.1 %, 100 of them because a test ran out of time');
    expect(text).toContain(
      `| \`core\` | 1,200 | 1,150 | 50 | 95.8 % | 2026-11-27 | 0123456789 | \`${CORE.command}\` |`,
    );
    expect(text.indexOf('`core`')).toBeLessThan(text.indexOf('`text`'));
    expect(text).toContain('No run is recorded of: `calls`');
    const all = ROOMS.map(({ name }) => ({ ...CORE, room: name }));
    expect(mutationsOf(all, ROOMS)).not.toContain('No run');
    expect(mutationsOf([], ROOMS)).toMatch(/^No run is recorded of: `core`, /);
  });

  it('is of rooms that exist, and adds up', () => {
    const records = readRoomRecords();
    const names = new Set(ROOMS.map(({ name }) => name));
    expect(records.filter(({ room }) => !names.has(room))).toEqual([]);
    for (const { mutants, killed, timedOut, survived } of records) expect(killed + timedOut + survived).toBe(mutants);
    expect(records.map(({ commit }) => commit).filter((commit) => !/^[0-9a-f]{9,}$/.test(commit))).toEqual([]);
  });
});
