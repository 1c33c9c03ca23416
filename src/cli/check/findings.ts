import { printable } from '../../core/text/plain-text.ts';

/** What a check says about one thing: `flag` names the setting that it is about. */
export interface Finding {
  /**
   * A problem keeps the server from starting, from allocating numbers, or from being reached by clients; `not checked`
   * is what only a start can tell.
   */
  readonly kind: 'ok' | 'warning' | 'problem' | 'not checked';
  readonly flag: string;
  /** One sentence or more; a problem includes its remedy. */
  readonly text: string;
}

/** What is known about the ledger that would be served. */
export interface CheckedLedger {
  /** Its place, without secrets. */
  readonly name: string;
  /** Undefined if there is none yet, or if it could not be read. */
  readonly ledgerId: string | undefined;
  readonly lastOrderId: bigint | undefined;
}

export interface CheckReport {
  /** Undefined if --ledger is invalid. */
  readonly ledger: CheckedLedger | undefined;
  readonly findings: readonly Finding[];
}

const KIND_WIDTH = 'not checked'.length;

/** Whether there is no problem. */
export function isGood({ findings }: CheckReport): boolean {
  return findings.every(({ kind }) => kind !== 'problem');
}

/** One line per finding, and the verdict. */
export function reportLines(report: CheckReport): string[] {
  const lines = report.findings.map(
    ({ kind, flag, text }) => `${kind.padEnd(KIND_WIDTH)}  ${flag}: ${printable(text)}`,
  );
  return [...lines, verdict(report)];
}

function verdict(report: CheckReport): string {
  const count = (kind: Finding['kind']) => report.findings.filter((finding) => finding.kind === kind).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  if (problems > 0) return `The server is not ready to start: ${counted(problems, 'problem')}.`;
  return `The server would start${warnings > 0 ? `, with ${counted(warnings, 'warning')}` : ''}.`;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** The same for programs, as one object. */
export function reportJson(report: CheckReport): object {
  return { ok: isGood(report), ...report };
}
