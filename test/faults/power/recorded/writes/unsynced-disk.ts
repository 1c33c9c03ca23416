import type { Random } from '../../../frame/random.ts';
import type { Content, FolderState } from './folder-state.ts';
import { applied, sized } from './folder-state.ts';
import type { RecordedWrite } from './record-writes.ts';

const SECTOR_BYTES = 512;

type DataChange = Extract<RecordedWrite, { readonly kind: 'write' | 'truncate' }>;
type NameChange = Extract<RecordedWrite, { readonly kind: 'create' | 'unlink' | 'rename' }>;

/** A file by itself: names come and go. */
interface Inode {
  /** What is on disk for certain. */
  durable: Content;
  /** What came after its last sync, in order. */
  pending: DataChange[];
}

/** Which part of one unsynced change is on disk. */
type Part = 'all' | 'none' | 'sectors';

/** A choice among what a disk may hold. */
export interface Cut {
  /** What it is, for a message. */
  readonly name: string;
  /** How many of the unsynced changes of names happened, of `all`: a journal keeps their order. */
  readonly names: (all: number) => number;
  /** Called for each unsynced change of each file, in order; `n` counts all of them, from 0. */
  readonly part: (change: DataChange, n: number) => Part;
}

/**
 * What a disk may hold after a power cut: everything synced, and any part of the rest. A sync of a file does not put its
 * name on disk, and a sync of the folder no file's content: a system may do more, and must not have to.
 */
export class UnsyncedDisk {
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  #pendingNames: { readonly change: NameChange; readonly inode: Inode }[] = [];

  apply(write: RecordedWrite): void {
    switch (write.kind) {
      case 'create':
      case 'unlink':
      case 'rename':
        this.#applyName(write);
        break;
      case 'sync':
        if (write.name === '.') this.#syncNames();
        else this.#syncFile(this.#inode(write.name));
        break;
      // The system takes the pages for written then.
      case 'lost':
        this.#inode(write.name).pending = [];
        break;
      case 'write':
      case 'truncate':
        this.#inode(write.name).pending.push(write);
    }
  }

  /** Puts everything on disk, as long ago. */
  syncAll(): void {
    for (const inode of this.#names.values()) this.#syncFile(inode);
    this.#syncNames();
  }

  /** The number of changes of data, and of names, that are not on disk for certain. */
  get unsynced(): { readonly changes: number; readonly names: number; readonly files: readonly string[] } {
    const files = [...this.#names].filter(([, inode]) => inode.pending.length > 0);
    return {
      changes: files.reduce((sum, [, inode]) => sum + inode.pending.length, 0),
      names: this.#pendingNames.length,
      files: files.map(([name]) => name),
    };
  }

  /** What is found after a cut. */
  cut({ names, part }: Cut, random: Random): FolderState {
    const known = new Map(this.#durableNames);
    for (const { change, inode } of this.#pendingNames.slice(0, names(this.#pendingNames.length))) {
      rename(known, change, inode);
    }
    const contents = new Map<Inode, Content>();
    let n = 0;
    // A file whose name is not on disk counts as well, so that the choice for the others stays the same.
    for (const inode of new Set([...this.#names.values(), ...known.values()])) {
      const parts = inode.pending.map((change) => part(change, n++));
      contents.set(inode, withParts(inode, parts, random));
    }
    return new Map([...known].map(([name, inode]) => [name, contents.get(inode)!]));
  }

  #inode(name: string): Inode {
    const inode = this.#names.get(name);
    if (!inode) throw new Error(`${name} was not created`);
    return inode;
  }

  #applyName(change: NameChange): void {
    const inode = change.kind === 'create' ? { durable: Buffer.alloc(0), pending: [] } : this.#inode(change.name);
    rename(this.#names, change, inode);
    this.#pendingNames.push({ change, inode });
  }

  #syncNames(): void {
    for (const { change, inode } of this.#pendingNames) rename(this.#durableNames, change, inode);
    this.#pendingNames = [];
  }

  #syncFile(inode: Inode): void {
    inode.durable = inode.pending.reduce<Content>(applied, inode.durable);
    inode.pending = [];
  }
}

function rename(names: Map<string, Inode>, change: NameChange, inode: Inode): void {
  if (change.kind !== 'create') names.delete(change.name);
  if (change.kind === 'create') names.set(change.name, inode);
  if (change.kind === 'rename') names.set(change.newName, inode);
}

/**
 * A file of which only these parts of its unsynced changes are on disk. Of a change by sectors, a sector is there only
 * if what was written into it before is there as well: the system writes a sector as it is in memory at some time.
 */
function withParts({ durable, pending }: Inode, parts: readonly Part[], random: Random): Content {
  let content = durable;
  /** Sectors that stay as they are. */
  const stopped = new Set<number>();
  for (const [i, change] of pending.entries()) {
    const part = parts[i]!;
    if (change.kind === 'truncate' || part === 'all') {
      if (part !== 'none') content = applied(content, change);
    } else if (part === 'sectors') {
      content = withSectors(content, change, stopped, random);
    }
  }
  return content;
}

function withSectors(
  content: Content,
  { offset, bytes }: Extract<DataChange, { readonly kind: 'write' }>,
  stopped: Set<number>,
  random: Random,
): Content {
  const end = offset + bytes.length;
  // One file in five has its new length already, with zeros in it.
  let result = content.length < end && random.chance(0.2) ? sized(content, end) : content;
  for (let sector = Math.floor(offset / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
    if (stopped.has(sector) || random.chance(0.4)) {
      stopped.add(sector);
      continue;
    }
    const from = Math.max(offset, sector * SECTOR_BYTES);
    const to = Math.min(end, (sector + 1) * SECTOR_BYTES);
    if (result === content || result.length < to) result = sized(result, Math.max(result.length, to));
    bytes.copy(result, from, from - offset, to - offset);
  }
  return result;
}
