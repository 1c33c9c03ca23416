import type { Authenticator } from './principal.ts';
import { OPEN } from './principal.ts';

/** Files that are read again while the server runs, because they changed or because the process is told to. */
export interface Reloadable {
  /** Reads them now, and logs what came of it: what cannot be used changes nothing. Never rejects. */
  reload(): Promise<void>;
  /** Looks at them no longer. */
  close(): void;
}

/** What stands between the network and the calls. It is opened before anything else, and closed with the listeners. */
export interface Guard {
  readonly authenticator: Authenticator;
  /** Has every file read again. */
  reload(): void;
  close(): void;
}

/** Rejects with one sentence that names a flag, its file and the remedy; nothing is open then. */
export async function openGuard(): Promise<Guard> {
  const files: readonly Reloadable[] = [];
  return {
    authenticator: OPEN,
    reload: () => files.forEach((file) => void file.reload()),
    close: () => files.forEach((file) => file.close()),
  };
}
