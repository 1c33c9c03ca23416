import { readFileSync } from 'node:fs';
import type { FileRegistry } from '@bufbuild/protobuf';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

export const ORDER_NUMBER_SERVICE = 'orders.v1.OrderNumberService';

const DESCRIPTORS = new URL('gen/descriptor.binpb', import.meta.url);

let registry: FileRegistry | undefined;

/** The descriptors of everything that is served, which `make generate` writes. Read once, which takes some 20 ms. */
export function readDescriptorSet(): FileRegistry {
  registry ??= createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(DESCRIPTORS)));
  return registry;
}
