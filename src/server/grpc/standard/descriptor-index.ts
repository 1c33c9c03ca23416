import { BinaryReader } from '@bufbuild/protobuf/wire';

/** Wire type of strings, bytes and messages. */
const LENGTH_DELIMITED = 2;
/** Field numbers of google.protobuf.FileDescriptorProto. */
const FILE_NAME = 1;
const FILE_PACKAGE = 2;
const FILE_DEPENDENCY = 3;
const FILE_SERVICE = 6;

/** How a descriptor names its parts: its own name is always field 1. */
interface Shape {
  /** The shapes inside it, per field number. */
  readonly parts: Readonly<Record<number, Shape>>;
  /** Values of an enum are named beside it, not inside it. */
  readonly isTransparent?: boolean;
}

const LEAF: Shape = { parts: {} };
const ENUM: Shape = { parts: { 2: { ...LEAF, isTransparent: true } } };
const MESSAGE: { parts: Record<number, Shape> } = { parts: { 2: LEAF, 4: ENUM, 8: LEAF } };
MESSAGE.parts[3] = MESSAGE;
const SERVICE: Shape = { parts: { 2: LEAF } };
const FILE: Shape = { parts: { 4: MESSAGE, 5: ENUM, [FILE_SERVICE]: SERVICE } };

interface DescriptorFile {
  /** Not decoded, because a decoder would drop the fields that it does not know. */
  readonly bytes: Buffer;
  readonly dependencies: readonly string[];
}

/** The files of a google.protobuf.FileDescriptorSet, by their names and by what they declare. */
export class DescriptorIndex {
  /** Full names of all services. */
  readonly services: string[] = [];
  readonly #files = new Map<string, DescriptorFile>();
  /** Names of files. */
  readonly #bySymbol = new Map<string, string>();

  constructor(descriptorSet: Uint8Array) {
    for (const { bytes } of fields(descriptorSet)) this.#add(bytes);
  }

  /** A file and everything that it imports; undefined if no file has that name. */
  withImports(name: string): Buffer[] | undefined {
    if (!this.#files.has(name)) return undefined;
    const names = new Set([name]);
    for (const wanted of names)
      for (const dependency of this.#files.get(wanted)?.dependencies ?? []) names.add(dependency);
    return [...names].flatMap((wanted) => this.#files.get(wanted)?.bytes ?? []);
  }

  /** The name of the file that declares this symbol. */
  fileOf(symbol: string): string | undefined {
    return this.#bySymbol.get(symbol);
  }

  #add(bytes: Buffer): void {
    const all = [...fields(bytes)];
    const texts = (field: number) =>
      all.filter(({ number }) => number === field).map((found) => found.bytes.toString());
    const [name = ''] = texts(FILE_NAME);
    if (this.#files.has(name)) return;
    this.#files.set(name, { bytes, dependencies: texts(FILE_DEPENDENCY) });
    const [scope = ''] = texts(FILE_PACKAGE);
    for (const symbol of symbolsIn(bytes, FILE, scope)) this.#bySymbol.set(symbol, name);
    const services = all.filter(({ number }) => number === FILE_SERVICE);
    this.services.push(...services.map((service) => qualified(scope, nameOf(service.bytes))));
  }
}

/** Full names of everything that a descriptor declares inside `scope`. */
function* symbolsIn(bytes: Buffer, { parts }: Shape, scope: string): Generator<string> {
  for (const { number, bytes: part } of fields(bytes)) {
    const shape = parts[number];
    if (!shape) continue;
    const name = qualified(shape.isTransparent ? scope.replace(/\.?[^.]*$/, '') : scope, nameOf(part));
    yield name;
    yield* symbolsIn(part, shape, name);
  }
}

function qualified(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`;
}

function nameOf(descriptor: Buffer): string {
  for (const { number, bytes } of fields(descriptor)) if (number === 1) return bytes.toString();
  return '';
}

/** The strings and messages in a message. */
function* fields(message: Uint8Array): Generator<{ readonly number: number; readonly bytes: Buffer }> {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (Number(type) === LENGTH_DELIMITED) yield { number, bytes: Buffer.from(reader.bytes()) };
    else reader.skip(type);
  }
}
