import { readFileSync } from 'node:fs';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';

/**
 * Reflection v1 and v1alpha for everything served, health and well-known types included.
 *
 * It is given the files of the descriptor set that `make generate` writes, as they are: what proto-loader
 * makes of a proto has lost its imports, and clients refuse it.
 */
export function reflectionService(): ReflectionService {
  const descriptorSet = readFileSync(new URL('../gen/descriptor.binpb', import.meta.url));
  // Of a package definition @grpc/reflection reads nothing but this one field.
  const definition = { descriptorSet: { fileDescriptorProtos: splitFiles(descriptorSet) } };
  return new ReflectionService(definition as unknown as PackageDefinition);
}

/** The files of a google.protobuf.FileDescriptorSet, undecoded: its only field is `repeated file = 1`. */
function splitFiles(descriptorSet: Uint8Array): Buffer[] {
  const reader = new BinaryReader(descriptorSet);
  const files: Buffer[] = [];
  while (reader.pos < reader.len) {
    reader.tag();
    files.push(Buffer.from(reader.bytes()));
  }
  return files;
}
