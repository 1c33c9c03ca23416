import type { Surface, Watching } from '../measurements/surface.ts';
import type { Section, Target } from './section.ts';
import { megabytes, range, target, time, whole } from './section.ts';

export function surfaceSections({ readings, server, watching, watchingCombined }: Surface): Section[] {
  const { listed, watched, verified, peakBytes } = readings;
  return [
    {
      title: 'Reading and watching',
      notes: [
        `${whole(listed.allocations)} allocations: listed ${rateOf(listed)}, watched from 0 ${rateOf(watched)}, verified ` +
          `${rateOf(verified)}; server ${megabytes(server.peak)} at most, client ${megabytes(peakBytes)}.`,
        `64 in flight over ${watching.watchers} stores, one call per order: ${watchingText(watching)}`,
        `The same, combined: ${watchingText(watchingCombined)}`,
      ],
    },
  ];
}

export function surfaceTargets({ readings, watching }: Surface): Target[] {
  const { listed, watched, verified } = readings;
  const verifiedPerSecond = (verified.allocations / verified.ms) * 1000;
  const difference = new Set([listed.allocations, watched.allocations, verified.allocations]).size - 1;
  return [
    target('differences between listed, watched and verified', difference, { atMost: 0 }, whole),
    target('rows verified per second', verifiedPerSecond, { atLeast: 500_000 }, whole),
    target('throughput with watchers / without, one call per order', watching.ratio.median, { atLeast: 0.8 }),
    target('highest lag of a watcher, ms', watching.latestMs, { atMost: 1000 }, whole),
  ];
}

function watchingText({ without, with: watched, ratio, latestMs, meanMs }: Watching): string {
  return (
    `${whole(without.median)}/s without watchers, ${whole(watched.median)}/s with one per store, ${range(ratio)} within a ` +
    `round; ${time(latestMs)} ms behind at most, ${time(meanMs)} on average.`
  );
}

function rateOf({ allocations, ms }: { readonly allocations: number; readonly ms: number }): string {
  return `${whole((allocations / ms) * 1000)}/s`;
}
