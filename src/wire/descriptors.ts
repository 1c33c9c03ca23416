import { readFileSync } from 'node:fs';
import type { FileRegistry } from '@bufbuild/protobuf';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** Reads the descriptors of everything that is served, which `make generate` writes. It takes some 20 ms. */
export function readDescriptorSet(): FileRegistry {
  const bytes = readFileSync(new URL('gen/descriptor.binpb', import.meta.url));
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
}
