import type { Logger } from '../log/log.ts';
import type { Authenticator } from './principal.ts';
import { OPEN } from './principal.ts';
import type { TokenReload, TokenSources } from './token-reload.ts';

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
  /** Absent if calls need none. */
  readonly tokens?: TokenSources;
  /** Has every file read again. */
  reload(): void;
  close(): void;
}

/** The settings that it depends on. */
export interface GuardSettings {
  /** Path of the token file. */
  readonly tokens: string | 'off';
}

/** Rejects with one sentence that names a flag, its file and the remedy; nothing is open then. */
export async function openGuard({ tokens: path }: GuardSettings, logger: Logger): Promise<Guard> {
  const tokens = path === 'off' ? undefined : await openTokens(path, logger);
  const files: readonly Reloadable[] = tokens ? [tokens] : [];
  return {
    authenticator: tokens?.directory ?? OPEN,
    ...(tokens && { tokens }),
    reload: () => files.forEach((file) => void file.reload()),
    close: () => files.forEach((file) => file.close()),
  };
}

async function openTokens(path: string, logger: Logger): Promise<TokenReload> {
  const { TokenReload } = await import('./token-reload.ts');
  const tokens = new TokenReload(path, logger);
  await tokens.open();
  return tokens;
}
