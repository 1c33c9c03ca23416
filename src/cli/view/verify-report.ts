import type { NumberRange, VerifyStep } from '../../client/index.ts';
import { grouped, table } from './columns.ts';
import { shownKind } from './json-form.ts';
import { printable } from '../../core/text/plain-text.ts';

/** With more stores than this, only the bad ones are shown. */
const MAX_STORES = 50;
/** The maximum rows of a table for people, who could not use a million bad sequences. */
const MAX_ROWS = 1000;

type Finding = Extract<VerifyStep, { kind: 'finding' }>;
type Sequence = Extract<VerifyStep, { kind: 'sequence' }>;
type Verdict = Extract<VerifyStep, { kind: 'verdict' }>;

/** Formats a verification for people, in bounded memory: findings as they come, the rest at the end. */
export class VerifyReport {
  #global: Sequence | undefined;
  /** The first stores, up to {@link MAX_STORES}. */
  readonly #stores: Sequence[] = [];
  /** The stores, among all, whose rows do not cover each number exactly once. */
  readonly #notWhole: Sequence[] = [];
  /** The names of sequences with findings. */
  readonly #bad = new Set<string>();
  #storeCount = 0;
  readonly #losses: NumberRange[] = [];
  #lossCount = 0;

  /** The lines that this step adds. */
  lines(step: VerifyStep): string[] {
    switch (step.kind) {
      case 'progress':
        return [];
      case 'sequence':
        this.#addSequence(step);
        return [];
      case 'declaredLoss':
        this.#lossCount += 1;
        if (this.#losses.length < MAX_ROWS) this.#losses.push(step);
        return [];
      case 'verdict':
        return [...this.#sequenceLines(), ...this.#lossLines(), verdictLine(step)];
      case 'finding':
        if (this.#bad.size < MAX_ROWS) this.#bad.add(nameOf(step));
        return [findingLine(step)];
    }
  }

  #addSequence(sequence: Sequence): void {
    if (sequence.storeId === undefined) {
      this.#global = sequence;
      return;
    }
    this.#storeCount += 1;
    if (this.#stores.length < MAX_STORES) this.#stores.push(sequence);
    const looksBad = surplus(sequence) !== 0n || this.#bad.has(nameOf(sequence));
    if (looksBad && this.#notWhole.length < MAX_ROWS) this.#notWhole.push(sequence);
  }

  #sequenceLines(): string[] {
    const all = this.#storeCount <= MAX_STORES;
    // Losses are known only at the end.
    const bad = this.#notWhole.filter((sequence) => this.#remark(sequence) !== '');
    const shown = [...(this.#global ? [this.#global] : []), ...(all ? this.#stores : bad)];
    const rows = shown.map((sequence) => [
      nameOf(sequence),
      String(sequence.first),
      // A store that has given no number has no last one; its end is one below its first.
      sequence.last < sequence.first && sequence.count === 0n ? '-' : String(sequence.last),
      grouped(sequence.count),
      this.#remark(sequence),
    ]);
    const lines = rows.length === 0 ? [] : [table([['SEQUENCE', 'FIRST', 'LAST', 'NUMBERS', ''], ...rows], [1, 2, 3])];
    if (!all)
      lines.push(`${grouped(this.#storeCount)} stores, ${grouped(bad.length)} of them bad: only those are shown`);
    return lines.length === 0 ? [] : [...lines, ''];
  }

  /** What is wrong with a sequence, as far as counting tells; empty if nothing is. */
  #remark(sequence: Sequence): string {
    const lost = this.#losses
      .filter(({ storeId }) => storeId === sequence.storeId)
      .reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
    const difference = surplus(sequence) + lost;
    if (difference < 0n) return `${grouped(-difference)} missing`;
    if (difference > 0n) return `${grouped(difference)} too many`;
    return this.#bad.has(nameOf(sequence)) ? 'see above' : '';
  }

  #lossLines(): string[] {
    if (this.#lossCount === 0) return [];
    const more = this.#lossCount - this.#losses.length;
    return [
      'Skipped after a restore to an older copy (declared losses, not gaps):',
      table(
        this.#losses.map((loss) => [nameOf(loss), String(loss.first), String(loss.last)]),
        [1, 2],
      ),
      ...(more === 0 ? [] : [`and ${grouped(more)} more`]),
      '',
    ];
  }
}

function findingLine(finding: Finding): string {
  return `${shownKind(finding.findingKind)} in ${nameOf(finding)}, ${rangeOf(finding)}: ${printable(finding.message)}`;
}

function verdictLine({ ok, rows, sequences, findings, asOfOrderId }: Verdict): string {
  const read = `${counted(rows, 'row')}, ${counted(sequences, 'sequence')}, up to order_id ${asOfOrderId}`;
  return ok ? `no gaps, no duplicates: ${read}` : `FAILED, ${counted(findings, 'finding')}: ${read}`;
}

/** How many numbers the rows cover beyond those between first and last; negative if some are missing. */
function surplus({ first, last, count }: Sequence): bigint {
  return count - (last - first + 1n);
}

function nameOf({ storeId }: NumberRange): string {
  return storeId === undefined ? 'all stores' : `store ${storeId}`;
}

function rangeOf({ first, last }: NumberRange): string {
  return first === last ? String(first) : `${first} to ${last}`;
}

function counted(count: bigint, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1n ? '' : 's'}`;
}
