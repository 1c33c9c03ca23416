import type { DescField, DescMessage, FileRegistry } from '@bufbuild/protobuf';
import { fromBinary, fromJsonString, ScalarType } from '@bufbuild/protobuf';
import { MAX_REQUESTS } from '../../../core/calls/batch-call.ts';
import { messageOf, OrderError } from '../../../core/errors.ts';
import { batchSizeInvalid } from '../../../core/refusals.ts';
import type { JsonSource } from '../../../core/text/json-text.ts';
import { isJsonObject, isWhole, parseJson } from '../../../core/text/json-text.ts';
import { printable } from '../../../core/text/plain-text.ts';
import type { MessageForm } from '../../../wire/message-form.ts';
import { isMessage, messageFormOf, NOT_BINARY } from '../../../wire/message-form.ts';
import type { SentMessage } from './request-form.ts';

/** A text without these has only numbers that JSON.parse gives exactly. */
const MAY_ROUND = /\d{16}|\d[.eE]/;
/** The most characters of a value from a caller that a message shows. */
const MAX_SHOWN = 64;
const MAX_PATH = 256;
/** The library's messages may have the whole of a value in them. */
const MAX_MESSAGE = 512;

/** How a number may be written in a string: BigInt reads "0x7" and " 7", too. */
const NUMBER_TEXT = /^-?\d[\d.eE+-]*$/;

/**
 * What is wrong with a message, and where, if that is known: by the names that the caller used, such as
 * `requests[3].storeId`.
 */
export interface Malformed {
  readonly error: OrderError;
  readonly where?: string;
}

/** A number that JSON.parse would round. */
class Inexact {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/**
 * Checks a message before the library reads it, which would round large numbers in JSON. Undefined if it can be read,
 * has in JSON only fields that the message has, and numbers that are exact.
 */
export function malformedMessage(
  { isJson, bytes }: SentMessage,
  desc: DescMessage,
  registry: FileRegistry,
): Malformed | undefined {
  if (isJson) return malformedJson(bytes, desc, registry);
  return isMessage(bytes, formOf(desc)) && isReadable(bytes, desc) ? undefined : malformed('', NOT_BINARY);
}

/** The library finds what is no text. */
function isReadable(bytes: Buffer, desc: DescMessage): boolean {
  try {
    fromBinary(desc, bytes);
    return true;
  } catch {
    return false;
  }
}

const forms = new WeakMap<DescMessage, MessageForm>();

function formOf(desc: DescMessage): MessageForm {
  let form = forms.get(desc);
  if (!form) forms.set(desc, (form = messageFormOf(desc)));
  return form;
}

function malformedJson(bytes: Buffer, desc: DescMessage, registry: FileRegistry): Malformed | undefined {
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    json = parseJson(text, MAY_ROUND.test(text) ? toInexact : undefined);
  } catch (error) {
    return malformed('', jsonProblem(error, bytes.length));
  }
  const found = inMessage(json, desc, '');
  if (found) return found;
  try {
    // The text still has both values of a name that occurs twice.
    fromJsonString(desc, text, { registry, ignoreUnknownFields: false });
  } catch (error) {
    // It quotes the value, which may have half of a surrogate pair: gRPC-Web could not send that.
    const message = printable(messageOf(error).slice(0, MAX_MESSAGE)).toWellFormed();
    return malformed(/field [\w.]+\.(\w+) from JSON/.exec(message)?.[1] ?? '', message);
  }
  return undefined;
}

function jsonProblem(error: unknown, bytes: number): string {
  if (bytes === 0) return 'the message is empty; send a JSON object, such as {}';
  if (error instanceof RangeError) return 'the message is nested too deeply';
  return error instanceof SyntaxError ? 'the message is not JSON' : 'the message is not UTF-8';
}

function toInexact(_key: string, value: unknown, context?: JsonSource): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined) return value;
  return Number.isSafeInteger(value) && isWhole(source) ? value : new Inexact(source);
}

/** The first fault of a message: an unknown field, a number that is not exact, or too many requests. */
function inMessage(json: unknown, desc: DescMessage, path: string): Malformed | undefined {
  if (json instanceof Inexact) return inexact(json, path);
  // Well-known types have forms of their own, and whatever is no object the library refuses.
  if (!isJsonObject(json) || desc.typeName.startsWith('google.protobuf.')) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const at = path === '' ? key : `${path}.${key}`;
    const field = desc.fields.find(({ jsonName, name }) => key === jsonName || key === name);
    if (!field) return unknownField(key, desc, at);
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    // Tens of thousands of empty ones fit in a message; to read them would keep every other caller waiting.
    if (field.fieldKind === 'list' && items.length > MAX_REQUESTS) {
      return { error: batchSizeInvalid(items.length, MAX_REQUESTS) };
    }
    for (const [i, item] of items.entries()) {
      const itemAt = Array.isArray(value) ? `${at}[${i}]` : at;
      const found = field.message ? inMessage(item, field.message, itemAt) : inScalar(item, field, itemAt);
      if (found) return found;
    }
  }
  return undefined;
}

function inScalar(value: unknown, { scalar }: DescField, path: string): Malformed | undefined {
  if (value instanceof Inexact) return inexact(value, path);
  const isNumber = scalar === ScalarType.INT64 || scalar === ScalarType.INT32;
  if (!isNumber || typeof value !== 'string' || NUMBER_TEXT.test(value)) return undefined;
  const shown = JSON.stringify(value.slice(0, MAX_SHOWN));
  return malformed(path, `${path} ${shown} is not a number; send decimal digits`, { [nameOf(path)]: value });
}

function inexact({ source }: Inexact, path: string): Malformed {
  const shown = source.slice(0, MAX_SHOWN);
  const remedy = /^-?\d+$/.test(source) ? `send it as a string, "${shown}"` : 'send a whole number';
  return malformed(path, `${path} ${shown} cannot be read exactly: ${remedy}`, { [nameOf(path)]: source });
}

/** An unknown field would be lost; if it is a misspelled request_id, the caller can no longer retry safely. */
function unknownField(key: string, { fields, name }: DescMessage, path: string): Malformed {
  const shown = JSON.stringify(key.slice(0, MAX_SHOWN));
  const similar = fields.find((field) => plain(field.name) === plain(key));
  const known = fields.map(({ jsonName }) => jsonName).join(', ');
  const remedy = similar ? `did you mean ${similar.jsonName}?` : `its fields are ${known || 'none'}`;
  return malformed(path, `${shown} is not a field of ${name}; ${remedy}`);
}

function malformed(path: string, message: string, fields: Readonly<Record<string, string>> = {}): Malformed {
  const error = new OrderError('REQUEST_MALFORMED', message, { fields });
  return path === '' ? { error } : { error, where: path.slice(0, MAX_PATH) };
}

/** The field at the end of a path, by its name in the proto. */
function nameOf(path: string): string {
  const last = path.slice(path.lastIndexOf('.') + 1).replace(/\[\d+\]$/, '');
  return last.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function plain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase();
}
