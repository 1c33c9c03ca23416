import type { DescMessage, DescMethod, DescService, FileRegistry } from '@bufbuild/protobuf';
import { ORDER_NUMBER_SERVICE, readDescriptorSet } from '../../../wire/descriptors.ts';

/** The service, and every message that it may send or receive. */
export interface Descriptors {
  readonly service: DescService;
  readonly registry: FileRegistry;
}

/** Reads what `make generate` has written. */
export function readDescriptors(): Descriptors {
  const registry = readDescriptorSet();
  const service = registry.getService(ORDER_NUMBER_SERVICE);
  if (!service) throw new Error(`the descriptor set has no ${ORDER_NUMBER_SERVICE}; run make generate`);
  return { service, registry };
}

/** Where a method is on every carrier. */
export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

/** The message of an Any's type URL. */
export function messageAt(registry: FileRegistry, typeUrl: string): DescMessage {
  const found = registry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
  if (!found) throw new Error(`the descriptor set has no ${typeUrl}`);
  return found;
}
