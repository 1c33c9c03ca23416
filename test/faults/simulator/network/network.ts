import type { VirtualClock } from '../../seeded/time/virtual-clock.ts';
import type { ServerEnd } from './server-end.ts';

/** What can happen to a message on its way. */
export const MESSAGE_FAULTS = [
  'request lost',
  'request delayed',
  'request duplicated',
  'stream refused',
  'bare status, request dropped',
  'bare status, request forwarded',
  'answer lost',
  'answer delayed',
  'answer duplicated',
  'answer cut short',
  'answers swapped',
  'connection reset by the answer',
] as const;

export type MessageFault = (typeof MESSAGE_FAULTS)[number];

/** What happens to one attempt of a call, in milliseconds. */
export interface Fate {
  readonly requestMs: number;
  readonly answerMs: number;
  readonly fault: MessageFault | undefined;
  /** How much later a delayed message arrives, or the copy of a duplicated one. */
  readonly lateMs: number;
  /** The code of a status that no server of ours sent. */
  readonly bareCode: number;
}

/** What clients and servers of a run are connected by. */
export interface Network {
  readonly clock: VirtualClock;
  /** Whether messages travel in their bytes. */
  readonly isEncoded: boolean;
  /** The server that a new connection, or a late message, of this client reaches; undefined if none listens. */
  reach(client: number): ServerEnd | undefined;
  /** How long a connection takes, in milliseconds. */
  connectMs(): number;
  fate(client: number, isStream: boolean, isBatch: boolean): Fate;
  /** A fault that has taken effect. */
  injected(fault: string): void;
  note(what: string, client: number, detail: string): void;
}

let network: Network | undefined;

/** The network of the run under way in this thread. */
export function currentNetwork(): Network {
  if (!network) throw new Error('there is no run');
  return network;
}

export function beginNetwork(of: Network): void {
  network = of;
}
