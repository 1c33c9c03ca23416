import type { AnyDesc, DescFile, FileRegistry } from '@bufbuild/protobuf';
import { toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/** The files of a descriptor set, by their names and by what they declare. */
export class DescriptorIndex {
  /** Full names of all services. */
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();

  constructor(registry: FileRegistry) {
    for (const file of registry.files) this.#files.set(file.proto.name, file);
    for (const declared of registry) {
      for (const symbol of symbolsOf(declared)) this.#bySymbol.set(symbol, declared.file);
    }
    this.services = [...registry].filter(({ kind }) => kind === 'service').map(({ typeName }) => typeName);
  }

  /** A file and everything that it imports, as google.protobuf.FileDescriptorProto; undefined if no file has that name. */
  withImports(name: string): Buffer[] | undefined {
    const file = this.#files.get(name);
    if (!file) return undefined;
    const files = new Set([file]);
    for (const { dependencies } of files) for (const imported of dependencies) files.add(imported);
    return Array.from(files, ({ proto }) => Buffer.from(toBinary(FileDescriptorProtoSchema, proto)));
  }

  /** The name of the file that declares this symbol. */
  fileOf(symbol: string): string | undefined {
    return this.#bySymbol.get(symbol)?.proto.name;
  }
}

/** Full names of what a descriptor declares: its own, and those of its parts. */
function symbolsOf(declared: Exclude<AnyDesc, DescFile>): string[] {
  switch (declared.kind) {
    case 'message':
      return [
        declared.typeName,
        ...[...declared.fields, ...declared.oneofs].map(({ name }) => `${declared.typeName}.${name}`),
      ];
    case 'service':
      return [declared.typeName, ...declared.methods.map(({ name }) => `${declared.typeName}.${name}`)];
    case 'enum': {
      // The values of an enum are named beside it, not inside it.
      const scope = declared.typeName.replace(/[^.]*$/, '');
      return [declared.typeName, ...declared.values.map(({ name }) => scope + name)];
    }
    default:
      return [];
  }
}
