import type { Start, StartTimes } from '../measurements/start.ts';
import type { Section, Target } from './section.ts';
import { range, target, whole } from './section.ts';

const COMMANDS: readonly { readonly name: keyof StartTimes; readonly title: string; readonly maxMs: number }[] = [
  { name: 'version', title: 'order-numbers --version', maxMs: 200 },
  { name: 'help', title: 'order-numbers --help', maxMs: 200 },
  { name: 'allocate', title: 'order-numbers allocate, server running', maxMs: 350 },
  { name: 'serve', title: 'order-numbers serve, to "serving"', maxMs: 600 },
];

export function startSections({ warm, cold }: Start): Section[] {
  const rows = COMMANDS.map(({ name, title }) => [title, range(warm[name], 0), range(cold[name], 0)]);
  return [{ title: 'Start', table: { head: ['start, ms', 'warm', 'cold'], rows }, notes: [] }];
}

export function startTargets({ warm }: Start): Target[] {
  return COMMANDS.map(({ name, title, maxMs }) => target(`${title}, ms`, warm[name].median, { atMost: maxMs }, whole));
}
