import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { commentOf } from './comments.ts';

/** A schema of JSON Schema 2020-12, which is that of OpenAPI 3.1. */
export type Schema = Readonly<Record<string, unknown>>;

const INT64: Schema = { type: 'string', format: 'int64', pattern: '^-?[0-9]+$' };
const SCALARS: { readonly [type in ScalarType]?: Schema } = {
  [ScalarType.STRING]: { type: 'string' },
  [ScalarType.BOOL]: { type: 'boolean' },
  [ScalarType.INT32]: { type: 'integer', format: 'int32' },
  [ScalarType.UINT32]: { type: 'integer', format: 'int32', minimum: 0 },
  [ScalarType.INT64]: INT64,
  [ScalarType.UINT64]: INT64,
  [ScalarType.DOUBLE]: { type: 'number', format: 'double' },
  [ScalarType.FLOAT]: { type: 'number', format: 'float' },
};
/** Messages with a form of their own in JSON. */
const SPECIAL: Readonly<Record<string, Schema>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': { type: 'string', pattern: '^-?[0-9]+(\\.[0-9]+)?s$' },
  'google.protobuf.FieldMask': { type: 'string', examples: ['prefix,minDigits'] },
};
/** The details of an error, in JSON: the fields of the message beside its type. */
const ANY: Schema = {
  type: 'object',
  description: 'google.rpc.ErrorInfo, google.rpc.RetryInfo or google.rpc.BadRequest.',
  properties: { '@type': { type: 'string' } },
  required: ['@type'],
  additionalProperties: true,
};

/** Collects the schemas of messages and of all that they contain. */
export class Schemas {
  readonly #found = new Map<string, Schema>();
  /** Messages that a caller sends, which may leave out any field. */
  readonly #sent: ReadonlySet<DescMessage>;

  constructor(requests: readonly DescMessage[]) {
    this.#sent = closureOf(requests);
  }

  /** By name, in alphabetical order. */
  all(): Readonly<Record<string, Schema>> {
    return Object.fromEntries([...this.#found].toSorted(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** A reference to the schema of a message, or the schema itself if it has no name here. */
  of(desc: DescMessage): Schema {
    const special = SPECIAL[desc.typeName];
    if (special) return special;
    if (desc.typeName === 'google.protobuf.Any') return ANY;
    if (!this.#found.has(desc.name)) {
      // Before its fields, which may contain it.
      this.#found.set(desc.name, {});
      this.#found.set(desc.name, this.#schemaOf(desc));
    }
    return { $ref: `#/components/schemas/${desc.name}` };
  }

  #schemaOf(desc: DescMessage): Schema {
    const properties = desc.fields.map((field) => [field.jsonName, this.#fieldOf(field)] as const);
    const present = desc.fields.filter((field) => !this.#sent.has(desc) && isAlwaysPresent(field));
    const choices = desc.oneofs.map((oneof) => oneof.fields.map(({ jsonName }) => ({ required: [jsonName] })));
    return {
      type: 'object',
      description: commentOf(desc),
      properties: Object.fromEntries(properties),
      ...(present.length > 0 && { required: present.map(({ jsonName }) => jsonName) }),
      ...(choices.length > 0 && { oneOf: choices[0] }),
      ...(this.#sent.has(desc) && { additionalProperties: false }),
    };
  }

  #fieldOf(field: DescField): Schema {
    const described = { description: commentOf(field) };
    if (field.fieldKind === 'list') return { type: 'array', ...described, items: this.#valueOf(field) };
    return { ...this.#valueOf(field), ...described };
  }

  #valueOf(field: DescField): Schema {
    if (field.message) return this.of(field.message);
    if (field.enum) return this.#enumOf(field.enum);
    return SCALARS[field.scalar ?? ScalarType.STRING]!;
  }

  #enumOf(desc: DescEnum): Schema {
    this.#found.set(desc.name, {
      type: 'string',
      description: [commentOf(desc), ...desc.values.map((value) => `- \`${value.name}\`: ${commentOf(value)}`)].join(
        '\n',
      ),
      enum: desc.values.map(({ name }) => name),
    });
    return { $ref: `#/components/schemas/${desc.name}` };
  }
}

/** Whether the server always writes a field: a value without presence, also if it is zero. */
function isAlwaysPresent(field: DescField): boolean {
  if (field.oneof) return false;
  return field.fieldKind === 'list' || (field.fieldKind !== 'message' && !field.proto.proto3Optional);
}

function closureOf(messages: readonly DescMessage[]): ReadonlySet<DescMessage> {
  const all = new Set(messages);
  for (const { fields } of all) for (const { message } of fields) if (message) all.add(message);
  return all;
}
