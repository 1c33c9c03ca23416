import {
  authorizationEmpty,
  certificateUnknown,
  tokenEmpty,
  tokenForeign,
  tokenMalformed,
  tokenMissing,
  tokenMistyped,
  tokenUnknown,
} from '../../core/refusals.ts';
import type { ClientCertificate } from './client-certificate.ts';
import type { Authenticator, Credentials, Principal } from './principal.ts';
import type { TokenEntry } from './token-file.ts';
import { comparedSan } from './token-file.ts';
import { TokenHolder } from './token-holder.ts';
import { hashOfToken, kindOfToken, TOKEN_LENGTH } from './token-text.ts';

/** The name of the scheme is case-insensitive (RFC 9110). */
const BEARER = /^bearer +(\S+) *$/i;
const NO_TOKEN = /^bearer *$/i;

/**
 * The tokens and certificates of a token file, and their principals.
 *
 * A token is looked up by its SHA-256. The time of a lookup reveals at most something about the hash of a guess, which
 * does not help to find a token. A hash takes 1 µs, a hundredth of a call, so the text of a token need not be cached.
 */
export class TokenDirectory implements Authenticator {
  #holders: readonly TokenHolder[] = [];
  #byHash: ReadonlyMap<string | undefined, TokenHolder> = new Map();
  #bySan: ReadonlyMap<string | undefined, readonly TokenHolder[]> = new Map();

  constructor(entries: readonly TokenEntry[]) {
    this.replace(entries);
  }

  /** How many entries are neither revoked nor expired. */
  get active(): number {
    const now = Date.now();
    return this.#holders.filter((holder) => holder.isActive(now)).length;
  }

  /** If a token is sent, only the token counts, even if the client also has a valid certificate. */
  authenticate(credentials: Credentials): Principal {
    const { authorization } = credentials;
    const now = Date.now();
    if (authorization !== undefined) return this.#holderOfToken(authorization).principal(now);
    const certificate = credentials.certificate();
    if (certificate) return this.#holderOfCertificate(certificate, now).principal(now);
    throw tokenMissing();
  }

  /** Replaces all entries. The principals of entries that were removed or changed end. */
  replace(entries: readonly TokenEntry[]): void {
    const ending = new Map(this.#holders.map((holder) => [holder.entry.name, holder]));
    this.#holders = entries.map((entry) => {
      const holder = ending.get(entry.name);
      if (!holder?.goesOnWith(entry)) return new TokenHolder(entry);
      ending.delete(entry.name);
      return holder;
    });
    this.#byHash = new Map(this.#holders.map((holder) => [holder.entry.sha256, holder]));
    this.#bySan = Map.groupBy(this.#holders, ({ entry }) => entry.san);
    const successors = new Map(entries.map((entry) => [entry.name, entry]));
    for (const [name, holder] of ending) holder.endFor(successors.get(name));
    this.endExpired();
  }

  /** Ends the principals of entries that have expired. Call it often, because the clock may be set forward. */
  endExpired(): void {
    const now = Date.now();
    for (const holder of this.#holders) holder.endIfExpired(now);
  }

  #holderOfToken(authorization: string): TokenHolder {
    if (authorization === '') throw authorizationEmpty();
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) throw NO_TOKEN.test(authorization) ? tokenEmpty() : tokenMalformed();
    const holder = token.length === TOKEN_LENGTH ? this.#byHash.get(hashOfToken(token)) : undefined;
    if (holder) return holder;
    switch (kindOfToken(token)) {
      case 'foreign':
        throw tokenForeign();
      case 'mistyped':
        throw tokenMistyped();
      case 'token':
        throw tokenUnknown();
    }
  }

  /** The first active entry of the file with one of the names; if none is active, the first. */
  #holderOfCertificate({ names }: ClientCertificate, nowMs: number): TokenHolder {
    const found = new Set(names.flatMap((name) => this.#bySan.get(comparedSan(name)) ?? []));
    const inOrder = found.size > 1 ? this.#holders.filter((holder) => found.has(holder)) : [...found];
    const holder = inOrder.find((one) => one.isActive(nowMs)) ?? inOrder[0];
    if (holder) return holder;
    throw certificateUnknown(names);
  }
}
