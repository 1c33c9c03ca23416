import type { Verdict, VerifyEvent } from './events.ts';

/** Counts what a verification reports, for the verdict at its end. */
export class VerdictTally {
  #findings = 0n;
  #sequences = 0n;
  #rows = 0n;

  count(event: VerifyEvent): void {
    if (event.kind === 'finding') this.#findings++;
    if (event.kind === 'sequence') this.#sequences++;
    if (event.kind === 'progress') this.#rows = event.rowsRead;
  }

  verdict(asOfOrderId: bigint): Verdict {
    const findings = this.#findings;
    return {
      kind: 'verdict',
      asOfOrderId,
      rows: this.#rows,
      sequences: this.#sequences,
      findings,
      ok: findings === 0n,
    };
  }
}
