import { InvalidArgumentError } from 'commander';
import { INT64_MAX } from '../../core/allocation.ts';
import { addressInUrl, parseServerAddress } from '../../client/connection/address.ts';
import { messageOf } from '../../core/errors.ts';
import { exactNumber, settingText, wholeNumber } from '../../core/text/plain-text.ts';

const TARGET_SCHEME = /^(dns|ipv4|ipv6):/;

/** Turns a parser of settings into commander's: a refused value is wrong usage. */
export function asOptionParser<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error));
    }
  };
}

/** An id or a number of a sequence: decimal digits, 1 to 2^63-1. Never a double, which would round it. */
export function parseNumber(text: string): bigint {
  return decimal(text, 1n, 'Use a whole number from 1 to 9223372036854775807, in digits.');
}

/** An order_id to continue after: like a number, and 0 is before the first. */
export function parseCursor(text: string): bigint {
  return decimal(text, 0n, 'Use 0 for all, or the order_id to continue after, in digits.');
}

/** How many entries of a list are shown: a whole number, or all. */
export function parseLimit(text: string): number {
  if (text === 'all') return Infinity;
  try {
    return wholeNumber(1, Number.MAX_SAFE_INTEGER)(text);
  } catch {
    throw new InvalidArgumentError('Use a whole number of at least 1, in digits, or all.');
  }
}

/** The address of a server: host:port, or a host alone for the default port. Returns host:port. */
export function parseServer(text: string): string {
  try {
    const address = settingText(text);
    const { host, name } = parseServerAddress(address);
    // gRPC's other kinds of target are for programs.
    if (host !== undefined && !TARGET_SCHEME.test(address)) return name;
  } catch {
    // Refused below, with a message for a flag.
  }
  const url = addressInUrl(text.trim());
  throw new InvalidArgumentError(
    url
      ? `It is a URL: use ${url.address}${url.usesTls ? ' and --tls' : ''}.`
      : 'Use host or host:port, such as localhost, 127.0.0.1:50051 or [::1]:50051.',
  );
}

/** A value without white space around it. An empty one turns the setting off. */
export const parseText = asOptionParser(settingText);

/** A value that must not be empty: an empty one is usually a script's variable that was never set. */
export const notEmpty = asOptionParser((text) => {
  const value = settingText(text);
  if (value === '') throw new Error('The value is empty: give one, or omit the flag.');
  return value;
});

function decimal(text: string, least: bigint, remedy: string): bigint {
  const number = exactNumber(text, least, INT64_MAX);
  if (number === undefined) throw new InvalidArgumentError(remedy);
  return number;
}
