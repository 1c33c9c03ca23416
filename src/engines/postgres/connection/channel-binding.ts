import type { ClientConfig } from 'pg';
import { Client } from 'pg';

/** pg binds if the server offers it; logins without it are refused here. */
const BINDING = 'SCRAM-SHA-256-PLUS';

/** The server did not offer channel binding, or skipped it; it never got the password. */
export class NotBound extends Error {
  override readonly name = 'NotBound';
}

/**
 * A client that takes part in no login without channel binding, as libpq does for channel_binding=require
 * (https://www.postgresql.org/docs/current/libpq-connect.html): no password leaves for a server that cannot prove that
 * nothing stands between it and this client.
 */
export class BindingClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    const { connection } = this;
    let isProved = false;
    const refuse = () => {
      // The message that the login succeeded may be in the same packet: pg must not see it.
      connection.removeAllListeners('readyForQuery');
      connection.stream.destroy(new NotBound('the server offered no channel binding'));
    };
    // Before pg's own listeners, which answer.
    connection.on('authenticationCleartextPassword', refuse);
    connection.on('authenticationMD5Password', refuse);
    connection.on('authenticationSASL', ({ mechanisms }: { readonly mechanisms: readonly string[] }) => {
      if (!mechanisms.includes(BINDING)) refuse();
    });
    // pg checks the proof, but would also continue without one.
    connection.on('authenticationSASLFinal', () => (isProved = true));
    connection.on('authenticationOk', () => isProved || refuse());
  }
}

/** What a URL's channel_binding asks for: which client to use, and whether that binds if the server offers it. */
export function channelBindingOf(url: string): { readonly Client: typeof Client; readonly isWanted: boolean } {
  const value = new URL(url).searchParams.getAll('channel_binding').at(-1) ?? 'disable';
  return { Client: value === 'require' ? BindingClient : Client, isWanted: value !== 'disable' };
}
