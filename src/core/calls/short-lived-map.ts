/** Entries that one Map takes; then a new one takes over. */
const ENTRIES = 4096;

/**
 * A Map for many entries that each stay only briefly. A Map of JavaScript moves to another table each time that it is
 * full of deleted entries. In V8 the abandoned tables form a chain. Once the first of them is in the old generation, all
 * others live until the next full collection, and so does every entry that ever was in one of them. Here a new Map, which
 * has no such past, takes over from time to time.
 */
export class ShortLivedMap<Key, Value> {
  /** Takes the new entries. */
  #newer = new Map<Key, Value>();
  /** Takes none, and is dropped when it has lost its last one. */
  #older = new Map<Key, Value>();
  #taken = 0;

  get size(): number {
    return this.#newer.size + this.#older.size;
  }

  get(key: Key): Value | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }

  /** The key must not be there yet. */
  add(key: Key, value: Value): void {
    if (this.#taken >= ENTRIES && this.#older.size === 0) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#taken = 0;
    }
    this.#taken++;
    this.#newer.set(key, value);
  }

  /** Returns whether the key was there. */
  delete(key: Key): boolean {
    return this.#older.delete(key) || this.#newer.delete(key);
  }

  /** Entries may be deleted meanwhile. */
  *values(): Generator<Value, void> {
    yield* this.#older.values();
    yield* this.#newer.values();
  }
}
