import type { RunRecord } from '../frame/record.ts';
import type { Lab } from '../labs.ts';
import { cell, number, table } from './markdown.ts';
import type { Runs } from './runs.ts';
import { runsOf } from './runs.ts';

/** Runs of one test with as many seeds have as many commands. */
const MAX_COMMANDS = 2;
/** A violation names calls and pairs; its beginning says enough. */
const MAX_SAYS = 160;
const SEED = /--seed (\d+)/;
const RUN_HEAD = ['run', 'test', 'rounds', 'seeds', 'date', 'commit'];
const COUNTS_HEAD = ['run', 'asked', 'acknowledged', 'found', 'lost', 'twice', 'holes'];

/** Every fault, run and control of a lab. Empty if none of its runs is recorded. */
export function labRecord({ name, what }: Lab, records: readonly RunRecord[]): string {
  const runs = runsOf(records.filter(({ lab }) => lab === name));
  if (runs.length === 0) return '';
  return [
    `## Lab ${name}`,
    `${what.charAt(0).toUpperCase()}${what.slice(1)}.`,
    table(RUN_HEAD, runs.map(runRow)),
    table(
      COUNTS_HEAD,
      runs.map(({ counts }, i) => [String(i + 1), ...Object.values(counts).map(number)]),
    ),
    table(['fault', 'injected', 'engine', 'promises', 'run'], runs.flatMap(faultRows)),
    [...runs.flatMap(controlLines), ...repeatLines(runs)].join('\n'),
  ].join('\n\n');
}

function runRow({ test, file, rounds, seeds, dates, commits }: Runs, index: number): string[] {
  return [
    String(index + 1),
    `\`${file}\`: ${cell(test)}`,
    number(rounds),
    seeds.join(', '),
    dates.join(', '),
    commits.join(', '),
  ];
}

function faultRows({ injected, engine, promises }: Runs, index: number): string[][] {
  const run = String(index + 1);
  return Object.entries(injected).map(([fault, times]) => [cell(fault), number(times), engine, promises, run]);
}

function controlLines({ controls }: Runs, index: number): string[] {
  return Object.entries(controls).map(([control, says]) => {
    const short = says.length > MAX_SAYS ? `${says.slice(0, MAX_SAYS)}…` : says;
    return `- Control of run ${index + 1}, red: ${cell(control)}: ${cell(short)}`;
  });
}

function repeatLines(runs: readonly Runs[]): string[] {
  const each = runs.flatMap(({ commands }, i) => {
    return shortened(commands).map((command) => ({ command, run: i + 1 }));
  });
  return [...Map.groupBy(each, ({ command }) => command)].map(([command, ofCommand]) => {
    return `- To repeat run ${ofCommand.map(({ run }) => run).join(', ')}: ${command}`;
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
