import type { KilledPeer, PeersResult } from '../measurements/peers.ts';
import { LEVEL_HEAD, levelRow, ratiosSection, ratioTargets } from './comparison-sections.ts';
import type { Section, Target } from './section.ts';
import { target, whole } from './section.ts';

export function peersSections({ rounds, seconds, peers, ratios, leftOut }: PeersResult): Section[] {
  return [
    {
      title: 'Peers that do the same work',
      table: {
        head: LEVEL_HEAD,
        rows: peers.flatMap(({ name, levels }) => levels.map((level) => levelRow(name, level))),
      },
      notes: [
        ...Object.entries(leftOut).map(([name, why]) => `LEFT OUT: ${name}: ${why}.`),
        `Medians of ${rounds} rounds of ${seconds} s; orders per second with the lowest and the highest. Microseconds of ` +
          'processor time per order, of the peer (server) and of its generator.',
        ...peers.map(({ name, work }) => `${name}: ${work}.`),
      ],
    },
    ratiosSection('Ratios to peers', ratios),
    {
      title: 'Faults of peers',
      table: {
        head: ['peer', 'orders stored', 'holes', 'repeats', 'kill -9', 'answered before', 'lost', 'repeats', 'holes'],
        rows: peers.map(faultRow),
      },
      notes: [
        'After all rounds; then after each kill -9 under a load of 1,000 orders, a restart, and a retry of all of them: ' +
          'an order is lost if it was answered before the kill and has another number, or none, afterwards.',
      ],
    },
  ];
}

/** The goals of the ratios, and the goal that our own server has no fault. */
export function peersTargets({ ratios, peers }: PeersResult): Target[] {
  const ours = peers.filter(({ isOurs }) => isOurs);
  const faults = ours.reduce((sum, peer) => sum + faultsOf(peer), 0);
  return [
    ...ratioTargets(ratios),
    target('lost, repeats and holes of ours, also after kill -9', faults, { atMost: 0 }, whole),
  ];
}

function faultRow({ name, density, kills }: KilledPeer): string[] {
  const all = (field: keyof KilledPeer['kills'][number]) => whole(kills.reduce((sum, kill) => sum + kill[field], 0));
  const { orders, holes, repeats } = density;
  return [
    name,
    whole(orders),
    whole(holes),
    whole(repeats),
    whole(kills.length),
    all('acknowledged'),
    all('lost'),
    all('repeats'),
    all('holes'),
  ];
}

function faultsOf({ density, kills }: KilledPeer): number {
  return kills.reduce((sum, { lost, repeats, holes }) => sum + lost + repeats + holes, density.holes + density.repeats);
}
