/** The place that a ledger moves to. */
export interface Place {
  /** Without secrets; a failover may change it. */
  readonly name: string;
  /** The same under every name. Without brackets; empty if it is not known. */
  readonly identity: string;
}

/** The name that people know, and the identity in brackets. */
const PLACE = /(?<name>.*) \((?<identity>[^()]*)\)$/s;

/** A place as the one text that a sealed ledger keeps. */
export function placeText({ name, identity }: Place): string {
  return `${name} (${identity})`;
}

/** The place of such a text. */
export function placeOf(text: string): Place {
  const { name = text, identity = '' } = PLACE.exec(text)?.groups ?? {};
  return { name, identity };
}

/** The same place has the same name or the same identity: a failover may have given it another name. */
export function isSamePlace(one: Place, other: Place): boolean {
  return one.name === other.name || one.identity === other.identity;
}
