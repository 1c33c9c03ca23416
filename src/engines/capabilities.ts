/** Each is a folder beside this file. */
export type EngineName = 'sqlite' | 'postgres' | 'dynamodb';

/** What engines differ in, for operators. Callers see the same on all of them. */
export interface Capabilities {
  /** `backup`, and `restore` with all of its options: its ledgers are files. */
  readonly backup: boolean;
  /** `declare-loss`, after its own tools have put a ledger back to an earlier time. */
  readonly declareLoss: boolean;
  /** `--ledger-read`: a standby for long reads. */
  readonly ledgerRead: boolean;
}

export const CAPABILITIES: Readonly<Record<EngineName, Capabilities>> = {
  sqlite: { backup: true, declareLoss: false, ledgerRead: false },
  postgres: { backup: false, declareLoss: true, ledgerRead: true },
  dynamodb: { backup: false, declareLoss: false, ledgerRead: false },
};
