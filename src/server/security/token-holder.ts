import type { OrderError } from '../../core/errors.ts';
import { tokenChanged, tokenExpired, tokenRevoked } from '../../core/refusals.ts';
import type { Principal } from './principal.ts';
import type { TokenEntry, TokenState } from './token-file.ts';
import { endOf, stateOf } from './token-file.ts';

/** The principal of an entry, which all calls with its token or certificate share. */
export class TokenHolder {
  #entry: TokenEntry;
  #endMs: number;
  #ended = new AbortController();
  #principal: Principal;

  constructor(entry: TokenEntry) {
    this.#entry = entry;
    this.#endMs = endOf(entry);
    this.#principal = principalOf(entry, this.#ended.signal);
  }

  get entry(): TokenEntry {
    return this.#entry;
  }

  isActive(nowMs: number): boolean {
    return this.#stateAt(nowMs) === 'active';
  }

  /** Throws the refusal of an entry that was revoked or has expired. */
  principal(nowMs: number): Principal {
    const state = this.#stateAt(nowMs);
    if (state === 'revoked') throw tokenRevoked(this.#entry.name);
    if (state === 'expired') throw this.#expired();
    // The clock was set back, or the file has a later day. An aborted signal cannot be reset, so it needs a new one.
    if (this.#ended.signal.aborted) this.#renew();
    return this.#principal;
  }

  /** Adopts a newer entry of its name, and returns true, if the entry differs at most in its last day. */
  goesOnWith(entry: TokenEntry): boolean {
    if (!allowsTheSame(this.#entry, entry)) return false;
    this.#entry = entry;
    this.#endMs = endOf(entry);
    return true;
  }

  endIfExpired(nowMs: number): void {
    if (this.#stateAt(nowMs) === 'expired' && !this.#ended.signal.aborted) this.#ended.abort(this.#expired());
  }

  /** Ends its principal. `successor` is the new entry of the same name, if there is one. */
  endFor(successor: TokenEntry | undefined): void {
    const { name } = this.#entry;
    this.#ended.abort(successor?.revoked === undefined ? tokenChanged(name) : tokenRevoked(name));
  }

  #stateAt(nowMs: number): TokenState {
    return stateOf(this.#entry, nowMs, this.#endMs);
  }

  #renew(): void {
    this.#ended = new AbortController();
    this.#principal = principalOf(this.#entry, this.#ended.signal);
  }

  #expired(): OrderError {
    return tokenExpired(this.#entry.name, this.#entry.expires!);
  }
}

function principalOf({ name, verbs, stores }: TokenEntry, ended: AbortSignal): Principal {
  return { name, verbs, stores, ended };
}

function allowsTheSame(one: TokenEntry, other: TokenEntry): boolean {
  return (
    one.sha256 === other.sha256 &&
    one.san === other.san &&
    one.revoked === other.revoked &&
    isSameSet(one.verbs, other.verbs) &&
    (one.stores === 'all' || other.stores === 'all' ? one.stores === other.stores : isSameSet(one.stores, other.stores))
  );
}

function isSameSet<Value>(one: ReadonlySet<Value>, other: ReadonlySet<Value>): boolean {
  return one.size === other.size && [...one].every((value) => other.has(value));
}
