/** A full queue searches all its items for unwanted ones now and then: this many are asked per newcomer. */
const ASKED_PER_NEWCOMER = 10;
/** How many of the newest items of a line are asked whether they may be displaced, at most. */
const MAX_ASKED = 100;

/** Items of one key that are taken at once, at most, while it is not alone. */
const MAX_ROUNDS = 100;
/** A key is alone when no other one had an item the last so many times that some were taken. */
const TIMES_ALONE = 100;

/** What may wait in a {@link FairQueue}, and what happens to that which may not. */
export interface FairQueueOptions<Item> {
  /** Items waiting, at most. */
  readonly maxQueue: number;
  /** The part of a full queue, above 0 and up to 1, that a key can fill at the cost of keys that hold more. */
  readonly maxQueueShare: number;
  /** Whether a caller still wants this item. Asked while it waits, never after it was taken. */
  isWanted(item: Item): boolean;
  /** Whether an item that waits may give its place to one of another key. */
  mayDisplace(item: Item): boolean;
  /** Called for each item that leaves without being taken: unwanted (no error), or refused with one. */
  onRemoved(item: Item, error?: unknown): void;
  /** Called for each item that leaves because it was displaced. */
  onDisplaced(item: Item): void;
}

/** The items of one key. */
interface Line<Item> {
  readonly key: unknown;
  readonly items: Fifo<Item>;
  /** Its neighbours among the lines of the same length. */
  before: Line<Item> | undefined;
  after: Line<Item> | undefined;
}

/**
 * A bounded queue that is fair to the keys of its items: they take turns, with one item each, and within a key the
 * oldest comes first. A key alone may fill the queue; then it gives way to others. Adding, taking and displacing cost
 * the same however many keys there are. A key without items is forgotten.
 */
export class FairQueue<Item> {
  readonly #options: FairQueueOptions<Item>;
  readonly #lines = new Map<unknown, Line<Item>>();
  /** All lines, in the order of their next turns. */
  readonly #turns = new Fifo<Line<Item>>();
  /** At index n the first of the lines of n items, so that a longest one is not searched for: it is the last entry. */
  readonly #byLength: (Line<Item> | undefined)[] = [];
  #length = 0;
  /** Newcomers since the queue last had room. */
  #newcomers = 0;
  /** How many times in a row the items that were taken had one key. */
  #timesAlone = TIMES_ALONE;

  constructor(options: FairQueueOptions<Item>) {
    this.#options = options;
  }

  /** Items waiting. */
  get length(): number {
    return this.#length;
  }

  /** Adds an item to those of `key`, which is anything that a Map takes. Returns false if it finds no room. */
  offer(item: Item, key: unknown): boolean {
    if (this.#length < this.#options.maxQueue) this.#newcomers = 0;
    else if (!this.#makeRoom(key)) return false;
    this.#push(item, key);
    return true;
  }

  /**
   * Takes up to `most` wanted items out of the queue, in turns, and drops the unwanted ones between them. While there
   * are several keys, or were not long ago, it takes few of each: what the others bring next waits for what was taken.
   */
  take(most: number): Item[] {
    this.#timesAlone = this.#lines.size > 1 ? 0 : this.#timesAlone + 1;
    const rounds = this.#timesAlone < TIMES_ALONE ? MAX_ROUNDS : Infinity;
    const taken: Item[] = [];
    for (let round = 0; round < rounds && this.#length > 0 && taken.length < most; round++) {
      for (let turns = this.#lines.size; turns > 0 && taken.length < most; turns--) {
        const item = this.#shift();
        if (this.#isStillWanted(item)) taken.push(item);
      }
    }
    return taken;
  }

  dropUnwanted(): void {
    this.#keep((item) => this.#isStillWanted(item));
  }

  /** Refuses everything that waits. */
  refuseAll(error: unknown): void {
    this.#keep((item) => {
      this.#options.onRemoved(item, error);
      return false;
    });
  }

  #isStillWanted(item: Item): boolean {
    const wanted = this.#options.isWanted(item);
    if (!wanted) this.#options.onRemoved(item);
    return wanted;
  }

  #makeRoom(key: unknown): boolean {
    if (this.#newcomers++ % Math.ceil(this.#length / ASKED_PER_NEWCOMER) === 0) this.dropUnwanted();
    return this.#length < this.#options.maxQueue || this.#displaceFor(key);
  }

  /**
   * Displaces the newest item of a longest line. The line of `key` has to be below its share, and must not become the
   * longer one of the two: otherwise equal keys would go on displacing each other, and many new ones the only item of
   * another.
   */
  #displaceFor(key: unknown): boolean {
    const { maxQueue, maxQueueShare, mayDisplace, onDisplaced } = this.#options;
    const own = this.#lines.get(key)?.items.length ?? 0;
    const longest = this.#byLength.length - 1;
    if (own >= maxQueue * maxQueueShare || own + 1 >= longest) return false;
    const line = this.#byLength[longest]!;
    const displaced = line.items.takeNewest(mayDisplace);
    if (displaced === undefined) return false;
    this.#resized(line, longest);
    onDisplaced(displaced);
    return true;
  }

  #push(item: Item, key: unknown): void {
    let line = this.#lines.get(key);
    if (!line) {
      line = { key, items: new Fifo(), before: undefined, after: undefined };
      this.#lines.set(key, line);
      this.#turns.push(line);
    }
    line.items.push(item);
    this.#resized(line, line.items.length - 1);
  }

  #shift(): Item {
    const line = this.#turns.shift();
    const item = line.items.shift();
    this.#resized(line, line.items.length + 1);
    if (line.items.length > 0) this.#turns.push(line);
    return item;
  }

  #keep(isKept: (item: Item) => boolean): void {
    for (const line of this.#lines.values()) {
      const before = line.items.length;
      line.items.keep(isKept);
      this.#resized(line, before);
    }
    this.#turns.keep(({ items }) => items.length > 0);
  }

  #resized(line: Line<Item>, before: number): void {
    const now = line.items.length;
    if (now === before) return;
    this.#length += now - before;
    if (before > 0) this.#unlink(line, before);
    if (now > 0) this.#link(line, now);
    else this.#lines.delete(line.key);
    while (this.#byLength.length > 0 && this.#byLength.at(-1) === undefined) this.#byLength.pop();
  }

  #link(line: Line<Item>, length: number): void {
    const after = this.#byLength[length];
    line.before = undefined;
    line.after = after;
    if (after) after.before = line;
    this.#byLength[length] = line;
  }

  #unlink({ before, after }: Line<Item>, length: number): void {
    if (before) before.after = after;
    else this.#byLength[length] = after;
    if (after) after.before = before;
  }
}

/** First in, first out: an array's own shift() moves all entries of a long one. */
class Fifo<Entry> {
  /** Those before `#first` have left. */
  #entries: (Entry | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#entries.length - this.#first;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  shift(): Entry {
    const entry = this.#entries[this.#first]!;
    this.#entries[this.#first++] = undefined;
    if (this.#first * 2 >= this.#entries.length) this.#compact();
    return entry;
  }

  /** Removes the newest entry that `isTaken` says yes to, if it is among the newest {@link MAX_ASKED}. */
  takeNewest(isTaken: (entry: Entry) => boolean): Entry | undefined {
    const last = this.#entries.length - 1;
    for (let i = last; i >= this.#first && i > last - MAX_ASKED; i--) {
      if (isTaken(this.#entries[i]!)) return this.#entries.splice(i, 1)[0];
    }
    return undefined;
  }

  keep(isKept: (entry: Entry) => boolean): void {
    this.#compact();
    this.#entries = (this.#entries as Entry[]).filter(isKept);
  }

  #compact(): void {
    if (this.#first === 0) return;
    this.#entries.splice(0, this.#first);
    this.#first = 0;
  }
}
