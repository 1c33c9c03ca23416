/**
 * The ledger cannot be opened until an operator has done something about it. `message` names the file
 * and the remedy.
 */
export class LedgerRefused extends Error {
  override readonly name = 'LedgerRefused';
}
