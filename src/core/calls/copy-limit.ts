/** Counts the callers that wait with a copy of a request under way, and bounds them in all and per origin. */
export class CopyLimit {
  readonly #inAll: number;
  readonly #perOrigin: number;
  readonly #byOrigin = new Map<string, number>();
  #count = 0;

  /** `share` is the part, above 0 and up to 1, that one origin may have; at least one copy. */
  constructor(inAll: number, share: number) {
    this.#inAll = inAll;
    this.#perOrigin = Math.max(1, Math.floor(inAll * share));
  }

  /** Returns false, and counts nothing, if there is no room. */
  enter(origin: string): boolean {
    const own = this.#byOrigin.get(origin) ?? 0;
    if (this.#count >= this.#inAll || own >= this.#perOrigin) return false;
    this.#count++;
    this.#byOrigin.set(origin, own + 1);
    return true;
  }

  /** Called once for each copy that entered. */
  leave(origin: string): void {
    this.#count--;
    const left = (this.#byOrigin.get(origin) ?? 1) - 1;
    if (left === 0) this.#byOrigin.delete(origin);
    else this.#byOrigin.set(origin, left);
  }
}
