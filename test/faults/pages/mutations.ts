import type { RoomRecord } from '../mutation/room-record.ts';
import type { Room } from '../mutation/rooms.ts';
import { number, table } from './markdown.ts';

const HEAD = ['room', 'mutants', 'noticed', 'survive for a known reason', 'score', 'date', 'commit', 'to repeat'];

/** A table with the last recorded run of each room, and their sum. */
export function mutationsOf(records: readonly RoomRecord[], rooms: readonly Room[]): string {
  const recorded = rooms.flatMap(({ name }) => records.filter(({ room }) => room === name));
  const missing = rooms.filter(({ name }) => recorded.every(({ room }) => room !== name));
  const names = missing.map(({ name }) => `\`${name}\``).join(', ');
  return [
    ...(recorded.length > 0 ? [sentence(recorded), table(HEAD, recorded.map(rowOf))] : []),
    ...(missing.length > 0 ? [`No run is recorded of: ${names}.`] : []),
  ].join('\n\n');
}

function sentence(records: readonly RoomRecord[]): string {
  const sum = (countOf: (record: RoomRecord) => number) => records.reduce((all, record) => all + countOf(record), 0);
  const [mutants, noticed, timedOut] = [sum((record) => record.mutants), sum(noticedOf), sum((one) => one.timedOut)];
  const score = Math.floor((noticed / mutants) * 1000) / 10;
  return (
    `The recorded runs noticed ${number(noticed)} of ${number(mutants)} mutants, ${score} %, ${number(timedOut)} of them ` +
    `because a test ran out of time. The other ${number(mutants - noticed)} change nothing that a test of their room can see.`
  );
}

function rowOf(record: RoomRecord): string[] {
  const { room, mutants, survived, score, date, commit, command } = record;
  const counts = [mutants, noticedOf(record), survived].map(number);
  return [`\`${room}\``, ...counts, `${score.toFixed(1)} %`, date, commit, `\`${command}\``];
}

function noticedOf({ killed, timedOut }: RoomRecord): number {
  return killed + timedOut;
}
