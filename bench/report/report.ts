import { comparisonSections, comparisonTargets } from './comparison-sections.ts';
import { dynamodbSections, dynamodbTargets } from './dynamodb-sections.ts';
import { ledgerSizeSections, ledgerSizeTargets, storesSections } from './ledger-sections.ts';
import { memorySections, memoryTargets, openLoopSections, overloadSections, overloadTargets } from './load-sections.ts';
import { peersSections, peersTargets } from './peers-sections.ts';
import { postgresSections, postgresTargets } from './postgres-sections.ts';
import type { Circumstances, Measured, Result } from './result.ts';
import type { Section, Target } from './section.ts';
import { targetsSection, toText } from './section.ts';
import { startSections, startTargets } from './start-sections.ts';
import { surfaceSections, surfaceTargets } from './surface-sections.ts';

/** How one kind of measurement is reported. */
interface KindReport<Key extends keyof Measured> {
  sections(measured: NonNullable<Measured[Key]>): Section[];
  targets?(measured: NonNullable<Measured[Key]>): Target[];
}

const KINDS: { readonly [Key in keyof Required<Measured>]: KindReport<Key> } = {
  comparison: { sections: comparisonSections, targets: comparisonTargets },
  peers: { sections: peersSections, targets: peersTargets },
  openLoop: { sections: openLoopSections },
  overload: { sections: overloadSections, targets: overloadTargets },
  memory: { sections: memorySections, targets: memoryTargets },
  ledgerSize: { sections: ledgerSizeSections, targets: ledgerSizeTargets },
  stores: { sections: storesSections },
  surface: { sections: surfaceSections, targets: surfaceTargets },
  postgres: { sections: postgresSections, targets: postgresTargets },
  dynamodb: { sections: dynamodbSections, targets: dynamodbTargets },
  start: { sections: startSections, targets: startTargets },
};

/** All kinds, in the order of a report. */
export const KIND_NAMES = Object.keys(KINDS) as (keyof Measured)[];

/** Formats the result as text. */
export function formatReport(result: Result): string {
  const sections = KIND_NAMES.flatMap((kind) => sectionsOf(kind, result));
  const targets = KIND_NAMES.flatMap((kind) => targetsOf(kind, result));
  const all = targets.length > 0 ? [...sections, targetsSection(targets)] : sections;
  return [...all.map(toText), circumstancesOf(result)].join('\n\n');
}

/** The sections about one kind of measurement; none if it was not measured. */
export function sectionsOf<Key extends keyof Measured>(kind: Key, measured: Measured): Section[] {
  const report: KindReport<Key> = KINDS[kind];
  const part = measured[kind];
  return part === undefined ? [] : report.sections(part);
}

/** The goals of one kind of measurement. */
export function targetsOf<Key extends keyof Measured>(kind: Key, measured: Measured): Target[] {
  const report: KindReport<Key> = KINDS[kind];
  const part = measured[kind];
  return part === undefined ? [] : (report.targets?.(part) ?? []);
}

/** One line that says what was run, when, and on which commit and machine. */
export function circumstancesOf({ command, date, commit, machine }: Circumstances): string {
  const { node, cpus, cpuModel, fileSystem } = machine;
  return `${command}; ${date}; commit ${commit}; Node.js ${node}; ${cpus} CPUs (${cpuModel}); ${fileSystem}`;
}
