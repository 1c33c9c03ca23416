import { InvalidArgumentError } from 'commander';
import { INT64_MAX } from '../allocation.ts';
import { parseServerAddress } from '../client/address.ts';

const TARGET_SCHEME = /^(dns|ipv4|ipv6):/;

/** An id or a number of a sequence: decimal digits, 1 to 2^63-1. Never a double, which would round it. */
export function parseNumber(text: string): bigint {
  return decimal(text, 1n, 'Use a whole number from 1 to 9223372036854775807, in digits.');
}

/** An order_id to go on after: like a number, and 0 stands before the first. */
export function parseCursor(text: string): bigint {
  return decimal(text, 0n, 'Use 0 for all, or the order_id to go on after, in digits.');
}

/** A whole number that fits a double, in digits. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Use a whole number from ${least} to ${most}, in digits.`);
  };
}

/** How much of a list is shown: a whole number, or all. */
export function parseLimit(text: string): number {
  if (text === 'all') return Infinity;
  try {
    return wholeNumber(1, Number.MAX_SAFE_INTEGER)(text);
  } catch {
    throw new InvalidArgumentError('Use a whole number from 1 on, in digits, or all.');
  }
}

export function parseBoolean(text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw new InvalidArgumentError('Use true or false.');
}

/** The address of a server: host:port, or a host alone for the usual port. Resolves to host:port. */
export function parseServer(text: string): string {
  try {
    const { host, name } = parseServerAddress(text);
    // The other targets of gRPC are for programs.
    if (host !== undefined && !TARGET_SCHEME.test(text)) return name;
  } catch {
    // Refused below, in the words of a flag.
  }
  throw new InvalidArgumentError('Use host or host:port, such as localhost, 127.0.0.1:50051 or [::1]:50051.');
}

/** A value that cannot be empty: an empty one is mostly a variable of a script that was never set. */
export function notEmpty(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It is empty: give a value, or leave the flag away.');
}

function decimal(text: string, least: bigint, remedy: string): bigint {
  if (/^\d{1,40}$/.test(text)) {
    const number = BigInt(text);
    if (number >= least && number <= INT64_MAX) return number;
  }
  throw new InvalidArgumentError(remedy);
}
