import {
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

/** As in RFC 9110: the name of the scheme has no case. */
const BEARER = /^bearer +(\S+) *$/i;
const NO_TOKEN = /^bearer *$/i;

/**
 * The tokens and certificates of a token file, and who they prove to be.
 *
 * A token is looked up by its SHA-256: the time that takes can tell something about the hash of a guess at most, and no
 * guess gets better by that. The hash costs 1 µs, a hundredth of a call, so no token is remembered by its text.
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

  /** A token that is sent counts alone, even beside a certificate that would do. */
  authenticate(credentials: Credentials): Principal {
    const { authorization } = credentials;
    const now = Date.now();
    if (authorization) return this.#holderOfToken(authorization).principal(now);
    const certificate = credentials.certificate();
    if (certificate) return this.#holderOfCertificate(certificate, now).principal(now);
    throw tokenMissing();
  }

  /** From now on these entries count. The principals of entries that are gone or allow something else now end. */
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

  /** Ends the principals of entries that have expired. Call it every moment: the clock may be put forward. */
  endExpired(): void {
    const now = Date.now();
    for (const holder of this.#holders) holder.endIfExpired(now);
  }

  #holderOfToken(authorization: string): TokenHolder {
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

  /** The first entry of the file with one of the names; an active one comes before the others. */
  #holderOfCertificate({ names }: ClientCertificate, nowMs: number): TokenHolder {
    const found = new Set(names.flatMap((name) => this.#bySan.get(comparedSan(name)) ?? []));
    const inOrder = found.size > 1 ? this.#holders.filter((holder) => found.has(holder)) : [...found];
    const holder = inOrder.find((one) => one.isActive(nowMs)) ?? inOrder[0];
    if (holder) return holder;
    throw certificateUnknown(names);
  }
}
