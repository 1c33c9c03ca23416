import { OrderError } from '../../../src/core/errors.ts';
import type { Authenticator, Credentials, Principal } from '../../../src/server/security/principal.ts';
import { VERBS } from '../../../src/server/security/principal.ts';

/** An authenticator whose tokens are the names of the callers that a test lets in, and nothing else. */
export class KnownCallers implements Authenticator {
  /** What each call brought so far. */
  readonly asked: Credentials[] = [];
  readonly #callers = new Map<string, { readonly principal: Principal; readonly ended: AbortController }>();

  /** It may do everything, unless told otherwise. */
  add(name: string, allowed: Partial<Pick<Principal, 'verbs' | 'stores'>> = {}): void {
    const ended = new AbortController();
    const principal = { name, verbs: new Set(VERBS), stores: 'all' as const, ...allowed, ended: ended.signal };
    this.#callers.set(`Bearer ${name}`, { principal, ended });
  }

  /** From now on its calls are refused, and its streams end. */
  revoke(name: string): void {
    this.#callers.get(`Bearer ${name}`)?.ended.abort(new OrderError('TOKEN_INVALID', `${name} was revoked`));
    this.#callers.delete(`Bearer ${name}`);
  }

  authenticate(credentials: Credentials): Principal {
    this.asked.push(credentials);
    const caller = this.#callers.get(credentials.authorization ?? '');
    if (caller) return caller.principal;
    throw new OrderError('TOKEN_INVALID', 'nobody known');
  }
}
