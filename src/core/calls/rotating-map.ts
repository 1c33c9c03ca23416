/** Entries that one Map takes before a new one replaces it. */
const ENTRIES = 4096;

/**
 * A Map for many entries that each stay only briefly. A JavaScript Map moves to a new table whenever deleted entries have
 * filled the old one. V8 chains the abandoned tables: once the first of them is in the old generation, all others live
 * until the next full collection, and so does every entry that was ever in one of them. Here a new Map, which has no such
 * past, takes over from time to time.
 */
export class RotatingMap<Key, Value> {
  /** Takes all new entries. */
  #newer = new Map<Key, Value>();
  /** Takes no more entries, and is dropped once it is empty. */
  #older = new Map<Key, Value>();
  #taken = 0;

  get size(): number {
    return this.#newer.size + this.#older.size;
  }

  get(key: Key): Value | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }

  /** The key must not be in the map yet. */
  add(key: Key, value: Value): void {
    if (this.#taken >= ENTRIES && this.#older.size === 0) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#taken = 0;
    }
    this.#taken++;
    this.#newer.set(key, value);
  }

  /** Returns whether the key was in the map. */
  delete(key: Key): boolean {
    return this.#older.delete(key) || this.#newer.delete(key);
  }

  /** Yields all values, oldest first; entries may be deleted meanwhile. */
  *values(): Generator<Value, void> {
    yield* this.#older.values();
    yield* this.#newer.values();
  }
}
