import type {
  DescEnum,
  DescEnumValue,
  DescField,
  DescFile,
  DescMessage,
  DescMethod,
  DescOneof,
  DescService,
} from '@bufbuild/protobuf';

type Commented = DescService | DescMethod | DescMessage | DescField | DescOneof | DescEnum | DescEnumValue;

// Field numbers of google/protobuf/descriptor.proto: a location in a file is a path of them and of indexes.
const MESSAGES = 4;
const ENUMS = 5;
const SERVICES = 6;
/** The same number for the fields of a message, the values of an enum and the methods of a service. */
const MEMBERS = 2;
const ONEOFS = 8;

/** The comment above a declaration of the proto, as one paragraph per paragraph. Empty if it has none. */
export function commentOf(desc: Commented): string {
  const [file, path] = placeOf(desc);
  const key = path.join();
  const location = file.proto.sourceCodeInfo?.location.find((one) => one.path.join() === key);
  return (location?.leadingComments ?? '')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replaceAll(/\s*\n\s*/g, ' '))
    .join('\n\n');
}

/** Only declarations at the top of a file are needed here. */
function placeOf(desc: Commented): readonly [file: DescFile, path: readonly number[]] {
  switch (desc.kind) {
    case 'service':
      return [desc.file, [SERVICES, desc.file.services.indexOf(desc)]];
    case 'message':
      return [desc.file, [MESSAGES, desc.file.messages.indexOf(desc)]];
    case 'enum':
      return [desc.file, [ENUMS, desc.file.enums.indexOf(desc)]];
    case 'rpc':
      return within(desc.parent, MEMBERS, desc.parent.methods.indexOf(desc));
    case 'oneof':
      return within(desc.parent, ONEOFS, desc.parent.oneofs.indexOf(desc));
    case 'enum_value':
      return within(desc.parent, MEMBERS, desc.parent.values.indexOf(desc));
    case 'field':
      return within(desc.parent, MEMBERS, desc.parent.proto.field.indexOf(desc.proto));
  }
}

function within(parent: DescService | DescMessage | DescEnum, kind: number, index: number) {
  const [file, path] = placeOf(parent);
  return [file, [...path, kind, index]] as const;
}
