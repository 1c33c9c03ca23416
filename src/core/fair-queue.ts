/**
 * How many items a full queue checks for unwanted ones per new item, on average: it checks all of them now and then.
 */
const ASKED_PER_NEWCOMER = 10;
/** The most items of a line that one newcomer considers for displacement. */
const MAX_ASKED = 100;

/** The most items of one key that are taken at once while there are others. */
const MAX_ROUNDS = 100;
/** A key counts as alone if no other key had an item the last so many times that items were taken. */
const TIMES_ALONE = 100;

/** The bounds of a {@link FairQueue}, and what happens to items that leave it. */
export interface FairQueueOptions<Item> {
  /** The most items that may wait. */
  readonly maxQueue: number;
  /** The share of a full queue, above 0 and up to 1, that a key can claim from keys that hold more. */
  readonly maxQueueShare: number;
  /** Whether a caller still wants this item. Called while the item waits, never after it was taken. */
  isWanted(item: Item): boolean;
  /** Whether a waiting item may be displaced by one of another key. */
  mayDisplace(item: Item): boolean;
  /**
   * Called for each item that leaves without being taken: with the error if it was refused, without one if unwanted.
   */
  onRemoved(item: Item, error?: unknown): void;
  /** Called for each displaced item. */
  onDisplaced(item: Item): void;
}

/** The items of one key. */
interface Line<Item> {
  readonly key: unknown;
  readonly items: Fifo<Item>;
  /** Its neighbors among the lines of the same length. */
  before: Line<Item> | undefined;
  after: Line<Item> | undefined;
}

/**
 * A bounded queue that is fair to the keys of its items: the keys take turns with one item each, and within a key the
 * oldest item comes first. A single key may fill the queue, but others can then displace its items. Adding, taking and
 * displacing take the same time for any number of keys. A key without items is forgotten.
 */
export class FairQueue<Item> {
  readonly #options: FairQueueOptions<Item>;
  readonly #lines = new Map<unknown, Line<Item>>();
  /** All lines, in the order of their next turns. */
  readonly #turns = new Fifo<Line<Item>>();
  /**
   * Index n has the first of the lines with n items. The last entry is a longest line, so none has to be searched for.
   */
  readonly #byLength: (Line<Item> | undefined)[] = [];
  #length = 0;
  /** New items since the queue last had room. */
  #newcomers = 0;
  /** How many times in a row all items taken were of one key. */
  #timesAlone = TIMES_ALONE;

  constructor(options: FairQueueOptions<Item>) {
    this.#options = options;
  }

  /** The number of waiting items. */
  get length(): number {
    return this.#length;
  }

  /** Adds an item behind those of `key`, which is any key of a Map. Returns false if there is no room. */
  offer(item: Item, key: unknown): boolean {
    if (this.#length < this.#options.maxQueue) this.#newcomers = 0;
    else if (!this.#makeRoom(key)) return false;
    this.#push(item, key);
    return true;
  }

  /**
   * Takes up to `most` wanted items from the keys in turn, and drops the unwanted ones on the way. If there are several
   * keys, or were recently, it takes only a few items per key, because new items of the others wait for those taken.
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
   * Displaces the newest item of a longest line. The line of `key` must be below its share, and must not become the
   * longer of the two. Otherwise equal keys would keep displacing each other, and many new keys could displace the only
   * item of another.
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
  /** How many of the newest were not to be taken when they were asked: the next call passes over them. */
  #passed = 0;

  get length(): number {
    return this.#entries.length - this.#first;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#passed = 0;
  }

  shift(): Entry {
    const entry = this.#entries[this.#first]!;
    this.#entries[this.#first++] = undefined;
    if (this.#first * 2 >= this.#entries.length) this.#compact();
    return entry;
  }

  /**
   * Removes the newest entry that `isTaken` says yes to. At most {@link MAX_ASKED} are asked; the next call goes on with
   * older ones.
   */
  takeNewest(isTaken: (entry: Entry) => boolean): Entry | undefined {
    const last = this.#entries.length - 1;
    let place = last - this.#passed;
    const end = Math.max(this.#first, place - MAX_ASKED + 1);
    while (place >= end && !isTaken(this.#entries[place]!)) place--;
    this.#passed = last - place;
    return place < end ? undefined : this.#entries.splice(place, 1)[0];
  }

  keep(isKept: (entry: Entry) => boolean): void {
    this.#compact();
    this.#passed = 0;
    this.#entries = (this.#entries as Entry[]).filter(isKept);
  }

  #compact(): void {
    this.#entries.splice(0, this.#first);
    this.#first = 0;
  }
}
