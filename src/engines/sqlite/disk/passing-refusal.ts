import { LedgerRefused } from '../../../core/errors.ts';

/**
 * A refusal because of a state of the disk that may pass by itself: a start is refused, but a server that was serving
 * tries again. `code` is the system's or SQLite's.
 */
export class PassingRefusal extends LedgerRefused {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}
