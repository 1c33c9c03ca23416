import type { RunRecord } from '../frame/record.ts';
import type { Lab } from '../labs.ts';
import { cell, number, table } from './markdown.ts';
import { namesOf, promisesIn } from './promises.ts';
import { roundText } from './rounds.ts';
import type { Runs } from './runs.ts';
import { runsOf } from './runs.ts';

/** Runs of one test with as many seeds have as many commands. */
const MAX_COMMANDS = 2;
/** A violation names calls and pairs; its beginning says enough. */
const MAX_SAYS = 160;
const SEED = /--seed (\d+)/;
const RUN_HEAD = ['run', 'rounds', 'asked', 'answered', 'found', 'lost', 'twice', 'holes', 'date', 'commit', 'seeds'];
const FAULT_HEAD = ['fault', 'times', 'engine', 'promises', 'run'];
/** A run that counts no calls. */
const NONE = '–';

/** Every fault, run and control of a lab. Empty if none of its runs is recorded. */
export function labRecord({ name, what }: Lab, records: readonly RunRecord[]): string {
  const runs = runsOf(records.filter(({ lab }) => lab === name));
  if (runs.length === 0) return '';
  const controls = runs.flatMap(controlLines);
  return [
    `## Lab ${name}`,
    `${what.charAt(0).toUpperCase()}${what.slice(1)}. ${roundText(name)}`.trim(),
    runs.map(({ test, file }, i) => `${i + 1}. ${cell(test)} (\`${file}\`)`).join('\n'),
    table(RUN_HEAD, runs.map(runRow)),
    table(FAULT_HEAD, runs.flatMap(faultRows)),
    ...(controls.length > 0 ? ['Controls, all of which failed:', controls.join('\n')] : []),
    'To repeat:',
    repeatLines(runs).join('\n'),
  ].join('\n\n');
}

function runRow({ rounds, seeds, dates, commits, counts }: Runs, index: number): string[] {
  const times = Object.values(counts).map((count) => (counts.asked === 0 ? NONE : number(count)));
  return [String(index + 1), number(rounds), ...times, dates.join(', '), commits.join(', '), seeds.join(', ')];
}

function faultRows({ injected, engine, promises }: Runs, index: number): string[][] {
  const [named, run] = [namesOf(promisesIn(promises)), String(index + 1)];
  const faults = Object.entries(injected).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return faults.map(([fault, times]) => [cell(fault), number(times), engine, named, run]);
}

function controlLines({ controls }: Runs, index: number): string[] {
  return Object.entries(controls).map(([control, says]) => {
    return `- Run ${index + 1}, ${cell(control)}: ${cell(beginningOf(says))}`;
  });
}

/** Its first words. */
function beginningOf(text: string): string {
  if (text.length <= MAX_SAYS) return text;
  const short = text.slice(0, MAX_SAYS);
  return `${short.slice(0, Math.max(short.lastIndexOf(' '), MAX_SAYS / 2))} …`;
}

function repeatLines(runs: readonly Runs[]): string[] {
  const each = runs.flatMap(({ commands }, i) => {
    return shortened(commands).map((command) => ({ command, run: i + 1 }));
  });
  return [...Map.groupBy(each, ({ command }) => command)].map(([command, ofCommand]) => {
    return `- Run ${ofCommand.map(({ run }) => run).join(', ')}: ${command}`;
  });
}

/** Many commands that differ in their seed alone are one, with its seeds. */
function shortened(commands: readonly string[]): string[] {
  if (commands.length <= MAX_COMMANDS) return commands.map((command) => `\`${command}\``);
  const alike = Map.groupBy(commands, (command) => command.replace(SEED, '--seed S'));
  return [...alike].map(([command, [first, ...others]]) => {
    if (others.length === 0) return `\`${first}\``;
    const seeds = [first!, ...others].map((one) => SEED.exec(one)?.[1]).join(', ');
    return `\`${command}\`, where S is ${seeds}`;
  });
}
